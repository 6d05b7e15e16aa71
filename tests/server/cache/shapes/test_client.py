"""The `openai` package reads the same answer out of either shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from server.cache.entry import Entry
from server.cache.shapes import answer_of, paced
from tests.server.cache.shapes.recordings import STREAMED, load, said, stream_entry, whole_entry

CHATS = [name for name in STREAMED if load(name).path == "/v1/chat/completions"]
COMPLETIONS = [name for name in STREAMED if load(name).path == "/v1/completions"]
RESPONSES = [name for name in STREAMED if load(name).path == "/v1/responses"]


def client(entry: Entry, typing: bool = False) -> openai.AsyncOpenAI:
    """A client of a server that has one answer, in either shape."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = json.loads((await receive())["body"])
        usage = bool((request.get("stream_options") or {}).get("include_usage"))
        stream = bool(request.get("stream"))
        body = b"".join(part for _, part in paced(entry, usage)) if stream and typing else answer_of(entry, stream, usage)
        kind = b"text/event-stream" if stream else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    return openai.AsyncOpenAI(base_url="http://cache/v1", api_key="none", max_retries=0, http_client=http)


def entries(name: str) -> Iterator[tuple[Entry, bool]]:
    """The answer kept from either shape, sent at once and typed."""
    recording = load(name)
    streamed = stream_entry(recording.path, recording.stream.encode())
    assert streamed is not None
    for entry in (whole_entry(recording), streamed):
        yield entry, False
        yield entry, True


def plain(value: Any) -> Any:
    """Without nulls and empty lists, which say nothing."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item not in (None, [])}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CHATS)
async def test_a_chat_stream_accumulates_to_the_whole_answer(name: str):
    request: dict[str, Any] = {"model": "m", "messages": []}
    for entry, typing in entries(name):
        async with client(entry, typing) as openai_client:
            whole = await openai_client.chat.completions.create(**request)
            async with openai_client.chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
                try:
                    final: Any = await stream.get_final_completion()
                except openai.LengthFinishReasonError as error:  # the package's word for an answer at its limit
                    final = error.completion
        for one, other in zip(whole.choices, final.choices, strict=True):
            message, accumulated = plain(one.message.to_dict()), plain(other.message.to_dict())
            assert message.pop("content", "") == accumulated.pop("content", "")
            calls, accumulated_calls = message.pop("tool_calls", []), accumulated.pop("tool_calls", [])
            assert calls == [{name: value for name, value in call.items() if name != "index"} for call in accumulated_calls]
            for call in calls + accumulated_calls:
                call["function"].pop("parsed_arguments", None)
            accumulated.pop("parsed", None)
            assert message == accumulated
            assert one.finish_reason == other.finish_reason
            assert (one.logprobs and one.logprobs.content) == (other.logprobs and other.logprobs.content)
        assert said(whole.usage.to_dict()) == said(final.usage.to_dict())
        assert (whole.id, whole.created, whole.model) == (final.id, final.created, final.model)


@pytest.mark.parametrize("name", CHATS)
async def test_usage_comes_only_to_those_who_ask(name: str):
    for entry, typing in entries(name):
        async with client(entry, typing) as openai_client:
            chunks = [c async for c in await openai_client.chat.completions.create(model="m", messages=[], stream=True)]
            asked = {"stream": True, "stream_options": {"include_usage": True}}
            *more, last = [c async for c in await openai_client.chat.completions.create(model="m", messages=[], **asked)]
        assert all(chunk.choices and chunk.usage is None for chunk in chunks)
        assert [chunk.to_dict() for chunk in more] == [chunk.to_dict() for chunk in chunks]
        assert last.choices == []
        assert last.usage.completion_tokens == entry.completion_tokens


@pytest.mark.parametrize("name", COMPLETIONS)
async def test_a_completions_stream_accumulates_to_the_whole_answer(name: str):
    for entry, typing in entries(name):
        async with client(entry, typing) as openai_client:
            whole = await openai_client.completions.create(model="m", prompt="")
            asked = {"stream": True, "stream_options": {"include_usage": True}}
            *chunks, last = [c async for c in await openai_client.completions.create(model="m", prompt="", **asked)]
        assert said(last.usage.to_dict()) == said(whole.usage.to_dict())
        for choice in whole.choices:
            parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
            assert "".join(part.text for part in parts) == choice.text
            assert [part.finish_reason for part in parts if part.finish_reason] == [choice.finish_reason]
            if choice.logprobs is not None:
                for field in ("tokens", "token_logprobs", "text_offset", "top_logprobs"):
                    assert [one for part in parts for one in getattr(part.logprobs, field)] == getattr(choice.logprobs, field)


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_responses_stream_accumulates_to_the_whole_answer(name: str):
    for entry, typing in entries(name):
        async with client(entry, typing) as openai_client:
            whole = await openai_client.responses.create(model="m", input="")
            async with openai_client.responses.stream(model="m", input="") as stream:
                events = [event async for event in stream]
                final = await stream.get_final_response()
        assert plain(whole.to_dict()) == plain(_unparsed(final.to_dict()))
        assert whole.output_text == "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert [event.sequence_number for event in events] == list(range(len(events)))


def _unparsed(answer: Any) -> Any:
    for item in answer["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return answer
