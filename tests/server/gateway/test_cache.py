"""The cache in the gateway: what is answered without the engine, in which shape, and what never is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from tests.scripted import CHAT, Reply, Request, Scripted, json_answer, sse
from tests.server.gateway.conftest import Gateways, Running

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ON = {"cache": {"store": "memory"}}


async def known(running: Running) -> None:
    """Wait until the gateway has asked what the upstreams serve: before, nothing is cached."""
    while running.app.catalogue.targets["m"].origin is None:
        await asyncio.sleep(0.002)


def posts(engine: Scripted) -> list[Request]:
    return [request for request in engine.requests if request.method == "POST"]


def stream(contents: list[str], finish: str = "stop"):
    """A chat stream as vLLM writes it, role first, with a finish reason; usage when it is asked for."""
    from tests.scripted import DONE, SSE_HEAD

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"

    async def script(request: Request, reply: Reply) -> None:
        if not request.json.get("stream"):
            message = {"role": "assistant", "content": "".join(contents)}
            usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
            await reply.json({**CHAT, "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage})
            return
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": ""}))
        for content in contents:
            await reply.chunk(chunk({"content": content}))
        await reply.chunk(chunk({}, finish))
        if (request.json.get("stream_options") or {}).get("include_usage"):
            from tests.scripted import USAGE

            await reply.chunk(USAGE)
        await reply.chunk(DONE)
        await reply.chunk(b"")

    return script


async def test_the_same_question_is_answered_from_the_cache(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await known(running)
        first = await http.post(PATH, json=ASK)
        second = await http.post(PATH, json=ASK)
    assert (first.headers["x-sllm-cache"], second.headers["x-sllm-cache"]) == ("miss", "hit")
    assert second.content == first.content
    assert second.headers["age"] == "0"
    assert "age" not in first.headers
    assert second.headers["content-type"] == "application/json"
    assert second.headers["x-sllm-model"] == "m"
    assert len(posts(engine)) == 1
