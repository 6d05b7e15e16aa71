"""What goes to the engine and what comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import openai
import pytest

from tests.scripted import CHAT, DONE, USAGE, Reply, Request, Scripted, event, json_answer, sse
from tests.server.gateway.conftest import Gateways

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def test_the_body_reaches_the_engine_byte_for_byte(engine: Scripted, gateway: Gateways) -> None:
    body = b'{ "model":"m" ,"unknown": 123456789012345678901234567890.10, "top_k": 3,"x":"\xed\x95\x9c"}\n'
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", content=body)
    assert answer.status_code == 200
    assert engine.requests[0].body == body


async def test_the_answer_comes_back_byte_for_byte(engine: Scripted, gateway: Gateways) -> None:
    engine.script = json_answer(b'{ "odd" :  1e400 }')
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", json=ASK)
    assert answer.content == b'{ "odd" :  1e400 }'
    assert answer.headers["content-type"] == "application/json"


async def test_answers_carry_the_request_id_and_the_model(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", json=ASK)
        mine = await http.post("/v1/chat/completions", json=ASK, headers={"X-Request-Id": "trace-7"})
        odd = await http.post("/v1/chat/completions", json=ASK, headers={"X-Request-Id": "no spaces"})
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-sllm-model"] == "m"
    assert mine.headers["x-request-id"] == "trace-7"
    assert engine.requests[1].headers["x-request-id"] == "trace-7"
    assert odd.headers["x-request-id"].startswith("req_")


async def test_the_clients_key_is_not_sent_to_the_engine(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        await running.openai().chat.completions.create(**ASK)
    assert "authorization" not in engine.requests[0].headers


async def test_trace_headers_are_sent_on(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        await http.post("/v1/chat/completions", json=ASK, headers={"traceparent": "00-ab-cd-01"})
    assert engine.requests[0].headers["traceparent"] == "00-ab-cd-01"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/score",
        "/tokenize",
        "/detokenize",
    ],
)
async def test_each_inference_route_is_forwarded_to_its_own_path(path: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(path, json={"model": "m"})
    assert answer.status_code == 200
    assert engine.requests[0].path == path


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/invocations", "/v1/messages", "/sleep", "/server_info", "/v2/rerank"])
async def test_other_engine_paths_are_closed(path: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(path, json={"model": "m"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"
    assert engine.requests == []


async def test_events_arrive_while_the_engine_still_writes(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = sse(["Hel", "lo"], gate=gate)
    async with gateway(engine) as running:
        stream = await running.openai().chat.completions.create(**ASK, stream=True)
        chunks = aiter(stream)
        first = await anext(chunks)
        gate.set()
        rest = [c async for c in chunks]
    assert first.choices[0].delta.content == "Hel"
    assert [c.choices[0].delta.content for c in rest] == ["lo"]


async def test_a_stream_passes_byte_for_byte(engine: Scripted, gateway: Gateways) -> None:
    events = [b": comment\n\n", event("\ud55c\uae00"), b"event: x\nid: 1\ndata: {}\n\n", USAGE, DONE]

    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for data in events:
            await reply.chunk(data)
        await reply.chunk(b"")

    engine.script = script
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", json={**ASK, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.status_code == 200, answer.text
    assert answer.content == b"".join(events)
    assert answer.headers["content-type"] == "text/event-stream"


async def test_a_stream_of_an_engine_of_others_passes_whole_and_its_usage_is_counted(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await reply.chunk(event("a") + USAGE + DONE)
        await reply.chunk(b"")

    engine.script = script
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", json={**ASK, "stream": True})
        log = running.log
    assert answer.content == event("a") + USAGE + DONE
    assert (log[0]["prompt_tokens"], log[0]["completion_tokens"]) == (5, 3)


async def test_over_a_unix_socket(tmp_path: Path, gateway: Gateways) -> None:
    async with Scripted(unix=str(tmp_path / "engine.sock")) as engine, gateway(engine) as running:
        answer = await running.openai().chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello"


async def test_a_base_path_goes_before_the_route(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(f"{engine.url}/llm/v1/") as running, running.http() as http:
        await http.post("/v1/chat/completions", json=ASK)
    assert engine.requests[0].path == "/llm/v1/chat/completions"


async def test_connections_are_used_again(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        for _ in range(5):
            await http.post("/v1/chat/completions", json=ASK)
    assert engine.connections <= 2  # one for the requests, one to see that the engine is there


async def test_32_mib_of_image_pass(engine: Scripted, gateway: Gateways) -> None:
    url = "data:image/png;base64," + "A" * (43 * 2**20)
    body = json.dumps({**ASK, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}).encode()
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/chat/completions", content=body)
    assert answer.json() == CHAT
    assert engine.requests[0].body == body


async def test_a_large_answer_comes_whole(engine: Scripted, gateway: Gateways) -> None:
    data = {"data": [{"embedding": [0.125] * 200_000}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    engine.script = json_answer(data)
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/embeddings", json={"model": "m", "input": "x"})
        log = running.log
    assert answer.json() == data
    assert log[0]["prompt_tokens"] == 7


async def test_an_answer_that_ends_with_its_connection(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + json.dumps(CHAT).encode())
        reply.close()

    engine.script = script
    async with gateway(engine) as running:
        answer = await running.openai().chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello"


async def test_interim_answers_are_skipped(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await reply.json(CHAT)

    engine.script = script
    async with gateway(engine) as running, running.http() as http:
        answers = [await http.post("/v1/chat/completions", json=ASK) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]


async def test_error_classes_of_the_openai_package(engine: Scripted, gateway: Gateways) -> None:
    message = "This model's maximum context length is 64 tokens. However, you requested 900."
    too_long = {"error": {"message": message, "type": "BadRequestError", "param": "input_tokens", "code": 400}}
    async with gateway(engine) as running:
        client = running.openai()
        engine.script = json_answer(too_long, 400)
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(**ASK)
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.type == "invalid_request_error"
        assert caught.value.param == "input_tokens"
        assert "maximum context length" in str(caught.value)
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(**{**ASK, "model": "n"})
        assert missing.value.code == "model_not_found"
        engine.script = json_answer(b"<html>oops</html>", 500)
        with pytest.raises(openai.InternalServerError) as broken:
            await client.chat.completions.create(**ASK)
        assert "oops" in broken.value.message
        engine.script = json_answer({"error": {"message": "slow", "type": "x", "code": 429}}, 429, "retry-after: 3\r\n")
        with pytest.raises(openai.RateLimitError) as limited:
            await client.chat.completions.create(**ASK)
        assert limited.value.response.headers["retry-after"] == "3"
