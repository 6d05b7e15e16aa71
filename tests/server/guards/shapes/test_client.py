"""The `openai` package reads the same answer out of either shape, redacted and blocked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import httpx2
import openai
import pytest

from server.cache.shapes import read_stream
from server.guards.shapes import whole
from tests.server.cache.shapes.recordings import STREAMED, load
from tests.server.guards.shapes.scripted import REFUSAL, numbers, plain, screened
from tests.server.guards.shapes.test_responses import PATH, stream_of

CHATS = [name for name in STREAMED if load(name).path == "/v1/chat/completions"]
COMPLETIONS = [name for name in STREAMED if load(name).path == "/v1/completions"]
RESPONSES = [name for name in STREAMED if load(name).path == PATH]
SAID = {"clean": (), "cut": ((" is", " 12345"), ("ar", "98765")), "blocked": ((" is", "BOMB"), ("ar", "BOMB"))}


def client(path: str, body: str, stream: str) -> openai.AsyncOpenAI:
    """A client of a server whose engine has one answer, in either shape."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = json.loads((await receive())["body"])
        if request.get("stream"):
            data = await screened(path, stream.encode(), numbers, Random(1), choices=request.get("n") or 1)
        else:
            data = await whole(path, body.encode(), numbers)
        kind = b"text/event-stream" if request.get("stream") else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": data})

    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    return openai.AsyncOpenAI(base_url="http://guarded/v1", api_key="none", max_retries=0, http_client=http)


def joined(stream: str, path: str) -> str:
    """The whole answer of a stream, as the cache puts it together."""
    recorded = read_stream(path, stream.encode())
    assert recorded is not None
    return recorded.body.decode()


def changed(stream: str, how: str) -> str:
    for before, after in SAID[how]:
        stream = stream.replace(f'"{before}"', f'"{after}"')
    return stream


@pytest.mark.parametrize("how", SAID)
@pytest.mark.parametrize("name", CHATS)
async def test_a_chat_stream_accumulates_to_the_whole_answer(name: str, how: str):
    recording = load(name)
    stream = changed(recording.stream, how)
    request: dict[str, Any] = {"model": "m", "messages": [], "n": len(json.loads(recording.whole)["choices"])}
    async with client(recording.path, joined(stream, recording.path), stream) as openai_client:
        answer = await openai_client.chat.completions.create(**request)
        async with openai_client.chat.completions.stream(**request, stream_options={"include_usage": True}) as events:
            await events.until_done()
            final: Any = events.current_completion_snapshot  # get_final_completion raises where an answer was filtered
    raw = json.loads(joined(stream, recording.path))["choices"]
    for one, other, came in zip(answer.choices, final.choices, raw, strict=True):
        said, accumulated = plain(one.message.to_dict()), plain(other.message.to_dict())
        for call in accumulated.get("tool_calls", []):
            call["function"].pop("parsed_arguments", None)
        accumulated.pop("parsed", None)
        assert said == accumulated
        assert one.finish_reason == other.finish_reason
        assert plain(one.logprobs and one.logprobs.to_dict()) == plain(other.logprobs and other.logprobs.to_dict())
        if "BOMB" in json.dumps(came["message"]):
            assert (one.finish_reason, one.message.refusal) == ("content_filter", REFUSAL)
    assert final.usage is not None


@pytest.mark.parametrize("how", SAID)
@pytest.mark.parametrize("name", COMPLETIONS)
async def test_a_completions_stream_accumulates_to_the_whole_answer(name: str, how: str):
    recording = load(name)
    stream = changed(recording.stream, how)
    n = len(json.loads(recording.whole)["choices"])
    async with client(recording.path, joined(stream, recording.path), stream) as openai_client:
        answer = await openai_client.completions.create(model="m", prompt="", n=n)
        chunks = [chunk async for chunk in await openai_client.completions.create(model="m", prompt="", n=n, stream=True)]
    for choice in answer.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert [part.finish_reason for part in parts if part.finish_reason] == [choice.finish_reason]
        if choice.logprobs is not None:
            for field in ("tokens", "token_logprobs", "text_offset", "top_logprobs"):
                told = [one for part in parts if part.logprobs is not None for one in getattr(part.logprobs, field)]
                assert told == getattr(choice.logprobs, field)


@pytest.mark.parametrize("how", SAID)
@pytest.mark.parametrize("name", RESPONSES)
async def test_a_responses_stream_ends_with_the_whole_answer(name: str, how: str):
    body = load(name).whole
    for before, after in (*SAID[how][:1], *(("celsius", after) for _, after in SAID[how][1:])):
        body = body.replace(before, after)
    async with client(PATH, body, stream_of(body.encode(), Random(1)).decode()) as openai_client:
        answer = await openai_client.responses.create(model="m", input="")
        async with openai_client.responses.stream(model="m", input="") as events:
            told: list[Any] = [event async for event in events]
    ours, theirs = plain(answer.to_dict()), plain(told[-1].response.to_dict())
    for item in theirs["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    ours.pop("usage")
    theirs.pop("usage", None)
    assert ours == theirs
    assert answer.status == ("incomplete" if "BOMB" in json.dumps(json.loads(body)["output"]) else json.loads(body)["status"])
    assert [event.sequence_number for event in told] == list(range(len(told)))
