"""Engines that break: the client gets an error it can read, another upstream is tried where that is safe."""

from __future__ import annotations

import asyncio
import json
import socket

import openai
import pytest

from tests.scripted import CHAT, SSE_HEAD, Reply, Request, Scripted, event, json_answer, sse
from tests.server.gateway.conftest import Gateways

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"
QUICK = {"timeouts": {"first_byte": "300ms", "between_bytes": "300ms", "connect": "300ms"}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


async def breaks_off(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
    reply.close()


async def closes(request: Request, reply: Reply) -> None:
    reply.close()


async def resets(request: Request, reply: Reply) -> None:
    reply.reset()


async def garbage(request: Request, reply: Reply) -> None:
    await reply.raw(b"\x00\x01\x02 what is this\r\n\r\n")


async def header_bomb(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000)
    await asyncio.sleep(60)


async def silent(request: Request, reply: Reply) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("script", [breaks_off, closes, resets, garbage, header_bomb])
async def test_a_broken_answer_is_502(script, engine: Scripted, gateway: Gateways) -> None:
    engine.script = script
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
        engine.script = json_answer()
        after = await http.post(PATH, json=ASK)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_error"
    assert after.status_code == 200


async def test_a_silent_engine_is_504(engine: Scripted, gateway: Gateways) -> None:
    engine.script = silent
    async with gateway(engine, gateway=QUICK) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
    assert answer.status_code == 504
    assert "no answer within 0.3 s" in answer.json()["error"]["message"]
    await asyncio.wait_for(engine.closed.wait(), 5)


async def test_nobody_there_is_502_and_says_where_to_look(gateway: Gateways) -> None:
    async with gateway(f"http://127.0.0.1:{free_port()}") as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
    assert answer.status_code == 502
    assert "check that it runs" in answer.json()["error"]["message"]


async def test_a_stream_that_breaks_ends_in_an_error_event(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        await reply.chunk(event("a"))
        reply.reset()

    engine.script = script
    async with gateway(engine) as running:
        stream = await running.openai().chat.completions.create(**ASK, stream=True)
        chunks = aiter(stream)
        first = await anext(chunks)
        with pytest.raises(openai.APIError, match="broke off"):
            await anext(chunks)
        log = running.log
    assert first.choices[0].delta.content == "a"
    assert log[0]["error"] == "upstream_error"


async def test_a_stream_that_falls_silent_ends_in_an_error_event(engine: Scripted, gateway: Gateways) -> None:
    engine.script = sse(["a", "b"], gate=asyncio.Event())
    async with gateway(engine, gateway=QUICK) as running, running.http() as http:
        answer = await http.post(PATH, json={**ASK, "stream": True})
    *_, last, empty = answer.content.split(b"\n\n")
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_timeout"
    assert empty == b""
    assert b"[DONE]" not in answer.content


async def test_a_connection_that_the_engine_closed_meanwhile_is_replaced(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, upstreams={"retries": 0}) as running, running.http() as http:
        for _ in range(5):
            assert (await http.post(PATH, json=ASK)).status_code == 200
            engine.drop_idle()


async def test_what_broke_off_while_it_worked_is_not_sent_again(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await asyncio.sleep(1.3)  # longer than a closed idle connection takes to show itself
        reply.reset()

    async with gateway(engine) as running, running.http() as http:
        assert (await http.post(PATH, json=ASK)).status_code == 200
        engine.script = script
        assert (await http.post(PATH, json=ASK)).status_code == 502
    assert len(engine.requests) == 2


@pytest.mark.parametrize("script", [breaks_off, closes, resets, garbage, json_answer({"error": "busy"}, 503)])
async def test_another_upstream_is_tried_while_nothing_was_sent(script, engine: Scripted, gateway: Gateways) -> None:
    async with Scripted(script) as bad, gateway(bad, engine) as running, running.http() as http:
        answers = [await http.post(PATH, json=ASK) for _ in range(4)]
    assert [a.status_code for a in answers] == [200] * 4
    assert bad.requests


async def test_a_stream_is_tried_elsewhere_before_its_first_event(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        reply.reset()

    engine.script = sse(["a"])
    async with Scripted(script) as bad, gateway(bad, engine) as running, running.http() as http:
        answers = [await http.post(PATH, json={**ASK, "stream": True}) for _ in range(3)]
    assert all(a.content.startswith(event("a")) for a in answers)
    assert bad.requests


async def test_an_answered_error_is_not_tried_elsewhere(gateway: Gateways) -> None:
    async with Scripted(json_answer({"error": {"message": "bad", "code": 400}}, 400)) as one:
        async with Scripted(json_answer({"error": {"message": "bad", "code": 400}}, 400)) as two:
            async with gateway(one, two) as running, running.http() as http:
                answer = await http.post(PATH, json=ASK)
            assert len(one.requests) + len(two.requests) == 1
    assert answer.status_code == 400


async def test_the_last_busy_answer_reaches_the_client(gateway: Gateways) -> None:
    busy = json_answer({"error": {"message": "queue full", "type": "X", "code": 503}}, 503, "retry-after: 2\r\n")
    async with Scripted(busy) as one, Scripted(busy) as two, gateway(one, two) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["message"] == "queue full"


async def test_a_failing_upstream_is_left_out(engine: Scripted, gateway: Gateways) -> None:
    async with Scripted(resets) as bad:
        rules = {"eject_after": 2, "eject_for": "1h"}
        async with gateway(bad, engine, upstreams=rules) as running, running.http() as http:
            for _ in range(10):
                assert (await http.post(PATH, json=ASK)).json() == CHAT
        assert len(bad.requests) == 2


async def test_breaking_off_in_the_middle_counts_too(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        await reply.chunk(event("a"))
        reply.reset()

    engine.script = sse(["a"])
    rules = {"eject_after": 1, "eject_for": "1h"}
    async with Scripted(script) as bad, gateway(bad, engine, upstreams=rules) as running, running.http() as http:
        answers = [await http.post(PATH, json={**ASK, "stream": True}) for _ in range(6)]
    assert sum(b"broke off" in a.content for a in answers) == len(bad.requests) == 1


async def test_a_slow_client_holds_the_engine_back(engine: Scripted, gateway: Gateways) -> None:
    """Reading stops when the gateway has enough in hand, so the engine's writes wait."""
    sent = 0

    async def script(request: Request, reply: Reply) -> None:
        nonlocal sent
        await reply.raw(SSE_HEAD)
        big = event("x" * 60_000)
        for _ in range(1000):
            await reply.chunk(big)
            sent += len(big)
        await reply.chunk(b"")

    engine.script = script
    body = json.dumps({**ASK, "stream": True}).encode()
    async with gateway(engine) as running:
        reader, writer = await running.raw(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body))
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != sent:  # until nothing moves
            before = sent
            await asyncio.sleep(0.3)
        assert 0 < sent < 40_000_000
        writer.close()
        await asyncio.wait_for(engine.closed.wait(), 5)


async def test_a_client_that_takes_nothing_is_let_go(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        while True:
            await reply.chunk(event("x" * 60_000))

    engine.script = script
    body = json.dumps({**ASK, "stream": True}).encode()
    async with gateway(engine, gateway={"timeouts": {"body": "300ms"}}) as running:
        _, writer = await running.raw(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body))
        writer.transport.pause_reading()
        await engine.got.wait()
        engine.closed.clear()
        await asyncio.wait_for(engine.closed.wait(), 10)
        writer.transport.abort()


async def test_upstream_errors_are_counted(engine: Scripted, gateway: Gateways) -> None:
    engine.script = garbage
    async with gateway(engine) as running, running.http() as http:
        await http.post(PATH, json=ASK)
        metrics = (await http.get("/metrics")).text
    assert 'sllm_upstream_errors_total{kind="garbage",model="m"} 1.0' in metrics
