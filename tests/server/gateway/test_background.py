"""A line of batch work through the pipeline, without a client."""

import asyncio
import socket

import pytest

from server.batch.base import Line
from server.gateway.background import PipelineSend
from tests.scripted import json_answer

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'


def line(body=BODY, url="/v1/chat/completions"):
    return Line(1, "id-1", url, "m", body)


@pytest.fixture
async def running(gateway, engine):
    async with gateway(engine) as running:
        yield running


@pytest.fixture
def send(running):
    return PipelineSend(running.app)


async def test_the_answer_comes_whole_with_its_tokens(send, engine):
    answer = await send(line())
    assert (answer.status, answer.ok, answer.loading, answer.broken) == (200, True, False, False)
    assert b'"Hello"' in answer.body
    assert (answer.prompt_tokens, answer.completion_tokens) == (5, 3)
    assert answer.request_id.startswith("req_")
    assert engine.requests[0].body == BODY


async def test_it_is_not_in_the_request_log_nor_in_the_metrics(send, running):
    await send(line())
    assert running.log == []
    async with running.http() as http:
        text = (await http.get("/metrics")).text
    assert 'sllm_requests_total{model="m"' not in text


async def test_an_engines_error_comes_in_openais_words(send, engine):
    engine.script = json_answer({"object": "error", "message": "too long", "code": 400}, 400)
    answer = await send(line())
    assert (answer.status, answer.loading, answer.broken) == (400, False, False)
    assert b'"type": "invalid_request_error"' in answer.body


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
async def test_retry_after_is_read(send, engine, said, seconds):
    engine.script = json_answer({"error": {"message": "busy"}}, 429, f"retry-after: {said}\r\n")
    assert (await send(line())).retry_after == seconds


async def test_an_exchange_that_breaks_off_is_told_from_one_that_was_refused(send, engine):
    async def breaks(request, reply):
        reply.reset()

    engine.script = breaks
    answer = await send(line())
    assert (answer.status, answer.broken, answer.loading) == (502, True, False)


async def test_an_engine_that_dies_says_so_itself_and_broke_off(send, engine):
    said = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    engine.script = json_answer({"error": {"message": said, "type": "InternalServerError"}}, 500)
    assert (await send(line())).broken


async def test_a_server_that_takes_no_connection_is_waited_for(gateway):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        config = {"models": [{"name": "m", "upstreams": [url]}], "cache": {"store": "off"}}
        async with gateway(**config) as running:
            answer = await PipelineSend(running.app)(line())
    assert (answer.status, answer.loading, answer.broken) == (502, True, False)


async def test_a_model_that_is_not_served_is_refused(send):
    answer = await send(line(b'{"model": "other"}'))
    assert (answer.status, answer.loading) == (404, False)


async def test_cancelled_it_ends_the_engines_work(send, engine):
    async def never(request, reply):
        await asyncio.Event().wait()

    engine.script = never
    task = asyncio.create_task(send(line()))
    await asyncio.wait_for(engine.got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(engine.closed.wait(), 10)


async def test_the_key_of_an_upstream_goes_along(gateway, engine, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", "sk-1")
    config = {"models": [{"name": "m", "upstreams": [engine.url], "upstream_key": "THEIR_KEY"}], "cache": {"store": "off"}}
    async with gateway(**config) as running:
        assert (await PipelineSend(running.app)(line())).ok
    assert engine.requests[-1].headers["authorization"] == "Bearer sk-1"
