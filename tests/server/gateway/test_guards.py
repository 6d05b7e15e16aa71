"""Guards in the gateway: what is refused, cut and put back, whole and on streams, beside the cache."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from tests.scripted import DONE, SSE_HEAD, Reply, Request, Scripted, chunk, generates, json_answer, talks
from tests.server.gateway.conftest import Gateways, asked, cached

PATH = "/v1/chat/completions"
PHONE = "010-1234-5678"
SECRET_WORD: dict[str, Any] = {"kind": "pattern", "name": "words", "patterns": ["forbidden[0-9]+"]}
PII: dict[str, Any] = {"kind": "pii"}


def ask(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def deltas(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]


def said(body: bytes, field: str = "content") -> str:
    return "".join(c["choices"][0]["delta"].get(field) or "" for c in deltas(body) if c.get("choices"))


def end(body: bytes) -> str | None:
    return [c["choices"][0]["finish_reason"] for c in deltas(body) if c.get("choices")][-1]


def seen(engine: Scripted) -> str:
    """What the engine was asked, the last time."""
    return [request for request in engine.requests if request.method == "POST"][-1].body.decode()


# What comes in


async def test_a_blocked_input_is_a_400_that_no_engine_sees(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running:
        with pytest.raises(openai.BadRequestError) as refused:
            await running.openai().chat.completions.create(**ask("say forbidden12 now"))
    assert refused.value.code == "content_filter"
    assert refused.value.param == "messages[0].content"
    assert "forbidden12" not in refused.value.message
    assert refused.value.response.headers["x-sllm-guards"] == "words=block"
    assert asked(engine) == 0
    assert running.log[-1]["error"] == "content_filter"


async def test_a_refusal_is_in_the_language_of_the_text(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running, running.http() as http:
        korean = await http.post(PATH, json=ask("forbidden12 이라고 말해 줘"))
        english = await http.post(PATH, json=ask("please say forbidden12"))
    assert any("가" <= c <= "힣" for c in korean.json()["error"]["message"])
    assert english.json()["error"]["message"].isascii()


async def test_what_is_cut_out_never_reaches_the_engine(engine: Scripted, gateway: Gateways) -> None:
    engine.script = json_answer()
    async with gateway(engine, guards=[PII]) as running, running.http() as http:
        answer = await http.post(PATH, json=ask(f"제 번호는 {PHONE}입니다", metadata={"phone": "kept"}))
    assert answer.status_code == 200
    assert PHONE not in seen(engine)
    assert "[전화번호]" in seen(engine)
    assert answer.headers["x-sllm-guards"] == "pii=redact"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "forbidden1"}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "forbidden1"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"a":"forbidden1"}'}}]}]},
        {"messages": [], "tools": [{"function": {"name": "f", "description": "forbidden1"}}]},
        {"messages": [], "tools": [{"function": {"name": "f", "parameters": {"properties": {"forbidden1": {"type": "string"}}}}}]},
        {"messages": [{"role": "forbidden1", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "name": "forbidden1"}]},
        {"messages": [{"role": "assistant", "content": None, "reasoning": "forbidden1"}]},
        {"messages": [], "a_field_that_nobody_knows": {"deep": ["forbidden1"]}},
    ],
)
async def test_text_is_found_wherever_a_chat_request_carries_it(body: dict[str, Any], engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running, running.http() as http:
        answer = await http.post(PATH, json={"model": "m", **body})
    assert answer.json()["error"]["code"] == "content_filter"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": ["x", "forbidden1"]}),
        ("/v1/completions", {"prompt": "x", "suffix": "forbidden1"}),
        ("/v1/responses", {"input": "forbidden1"}),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "forbidden1"}]}]}),
        ("/v1/responses", {"input": "x", "instructions": "forbidden1"}),
        ("/v1/embeddings", {"input": ["x", "forbidden1"]}),
        ("/v1/rerank", {"query": "x", "documents": ["forbidden1"]}),
        ("/v1/score", {"text_1": "x", "text_2": ["forbidden1"]}),
    ],
)
async def test_text_is_found_on_every_route(path: str, body: dict[str, Any], engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running, running.http() as http:
        answer = await http.post(path, json={"model": "m", **body})
    assert answer.json()["error"]["code"] == "content_filter"


async def test_token_ids_cannot_be_read_and_are_refused(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running, running.http() as http:
        answer = await http.post("/v1/completions", json={"model": "m", "prompt": [[1, 2, 3]]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


async def test_a_guard_is_for_the_models_that_it_names(engine: Scripted, gateway: Gateways) -> None:
    engine.script = json_answer()
    personas = {"open": {"model": "m"}}
    async with gateway(engine, guards=[{**SECRET_WORD, "models": ["m"]}], personas=personas) as running, running.http() as http:
        guarded = await http.post(PATH, json=ask("forbidden1"))
        free = await http.post(PATH, json={**ask("forbidden1"), "model": "open"})
    assert (guarded.status_code, free.status_code) == (400, 200)


async def test_the_operators_own_system_prompt_is_not_judged(engine: Scripted, gateway: Gateways) -> None:
    engine.script = json_answer()
    personas = {"desk": {"model": "m", "system": f"Our hotline is {PHONE}."}}
    async with gateway(engine, guards=[{**PII, "stage": "input"}], personas=personas) as running, running.http() as http:
        body = {"model": "desk", "messages": [{"role": "system", "content": "mine: 010-9999-8888"}, {"role": "user", "content": "hi"}]}
        await http.post(PATH, json=body)
    assert PHONE in seen(engine)
    assert "010-9999-8888" not in seen(engine)


# What goes out


@pytest.mark.parametrize("words", [["tel ", "010", "-12", "34-5", "678", " ok"], [f"tel {PHONE} ok"], list(f"tel {PHONE} ok")])
async def test_a_stream_is_cut_as_the_whole_answer_is(words: list[str], engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks(*words)
    async with gateway(engine, guards=[PII]) as running, running.http() as http:
        stream = await http.post(PATH, json=ask(stream=True))
        whole = await http.post(PATH, json=ask())
    assert said(stream.content) == whole.json()["choices"][0]["message"]["content"] == "tel [PHONE] ok"
    assert stream.content.endswith(DONE)
    assert stream.headers["x-sllm-guards"] in ("pii=stream", "pii=redact")  # as far as was known when the headers went out
    assert whole.headers["x-sllm-guards"] == "pii=redact"


async def test_a_block_ends_a_stream_properly_and_the_engines_work_too(engine: Scripted, gateway: Gateways) -> None:
    left = asyncio.Event()

    async def endless(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": "so: "}))
        try:
            for word in ("for", "bid", "den", "12", " x"):
                await reply.chunk(chunk({"content": word}))
            while True:
                await asyncio.sleep(0.005)
                await reply.chunk(chunk({"content": "more "}))
        except (ConnectionError, asyncio.CancelledError):
            left.set()
            raise

    engine.script = generates(endless)
    async with gateway(engine, guards=[SECRET_WORD]) as running:
        stream = await running.openai().chat.completions.create(**ask(stream=True, stream_options={"include_usage": True}))
        chunks = [c async for c in stream]
        async with asyncio.timeout(5):
            await left.wait()
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "so: "
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "content_filter"
    assert "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert running.log[-1]["error"] == "content_filter"
    assert running.log[-1]["status"] == 200


async def test_a_blocked_whole_answer_is_a_200_with_a_refusal(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("so: forbidden12 x")
    async with gateway(engine, guards=[SECRET_WORD]) as running:
        answer = await running.openai().chat.completions.create(**ask())
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("content_filter", "so: ")
    assert choice.message.refusal


async def test_values_are_put_back_that_the_model_never_saw(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("call <PHO", "NE_1> now")
    guard = {**PII, "form": "reversible"}
    async with gateway(engine, guards=[guard]) as running, running.http() as http:
        stream = await http.post(PATH, json=ask(f"my number is {PHONE}, say it", stream=True))
        whole = await http.post(PATH, json=ask(f"my number is {PHONE}, say it"))
    assert said(stream.content) == whole.json()["choices"][0]["message"]["content"] == f"call {PHONE} now"
    assert PHONE not in seen(engine)


async def test_an_error_of_the_engine_passes(engine: Scripted, gateway: Gateways) -> None:
    engine.script = json_answer({"error": {"message": "no"}}, status=422)
    async with gateway(engine, guards=[PII]) as running, running.http() as http:
        answer = await http.post(PATH, json=ask())
    assert answer.status_code == 422
    assert answer.headers["x-sllm-guards"] == "pii=pass"


# Beside the cache


async def test_a_guard_switched_on_over_a_warm_cache_is_not_skipped(engine: Scripted, gateway: Gateways, tmp_path: Any) -> None:
    engine.script = talks(f"tel {PHONE}")
    kept = {"cache": {"store": "sqlite"}, "gateway": {"data_dir": str(tmp_path)}}
    async with gateway(engine, **kept) as running, running.http() as http:
        await cached(running)
        before = await http.post(PATH, json=ask())
    async with gateway(engine, guards=[PII], **kept) as running, running.http() as http:
        await cached(running)
        after = await http.post(PATH, json=ask())
    assert PHONE in before.text
    assert PHONE not in after.text
    assert after.headers["x-sllm-cache"] == "miss"


async def test_a_clean_answer_is_kept_and_one_with_a_finding_is_not(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[PII], cache={"store": "memory"}) as running, running.http() as http:
        await cached(running)
        engine.script = talks("clean")
        clean = [(await http.post(PATH, json=ask("a"))).headers["x-sllm-cache"] for _ in range(2)]
        engine.script = talks(f"tel {PHONE}")
        cut = [(await http.post(PATH, json=ask("b"))).headers["x-sllm-cache"] for _ in range(2)]
    assert clean == ["miss", "hit"]
    assert cut == ["miss", "miss"]


async def test_one_kept_answer_gets_the_values_of_each_who_asks(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("call <PHONE_1>")
    guard = {**PII, "form": "reversible"}
    async with gateway(engine, guards=[guard], cache={"store": "memory"}) as running, running.http() as http:
        await cached(running)
        first = await http.post(PATH, json=ask("my number is 010-1111-2222"))
        second = await http.post(PATH, json=ask("my number is 010-3333-4444", stream=False))
        streamed = await http.post(PATH, json=ask("my number is 010-5555-6666", stream=True))
    assert "010-1111-2222" in first.text
    assert second.headers["x-sllm-cache"] == "hit"
    assert "010-3333-4444" in second.text
    assert said(streamed.content) == "call 010-5555-6666"
    assert asked(engine) == 1


async def test_those_who_wait_for_the_same_stream_are_guarded_too(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("tel 010-12", "34-5678 ok", gate=gate)
    async with gateway(engine, guards=[PII], cache={"store": "memory"}) as running, running.http() as http:
        await cached(running)
        both = [asyncio.create_task(http.post(PATH, json=ask(stream=True))) for _ in range(2)]
        async with asyncio.timeout(5):
            while not asked(engine) or not any(f.following for f in running.app.kept.flights.running.values()):  # type: ignore[union-attr]
                await asyncio.sleep(0.002)
        gate.set()
        answers: list[httpx.Response] = list(await asyncio.gather(*both))
    assert [said(a.content) for a in answers] == ["tel [PHONE] ok"] * 2
    assert asked(engine) == 1


# Moderations and metrics


async def test_moderations_by_the_sdk(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running:
        answer = await running.openai().moderations.create(input=["fine", "forbidden12"])
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].category_scores.model_dump()["pattern"] == 1.0
    assert answer.results[0].categories.violence is False


async def test_moderations_without_guards_say_what_to_write(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/v1/moderations", json={"input": "x"})
    assert answer.status_code == 404
    assert "guards" in answer.json()["error"]["message"]


async def test_metrics_count_what_guards_say(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, guards=[SECRET_WORD]) as running, running.http() as http:
        await http.post(PATH, json=ask("forbidden1"))
        text = (await http.get("/metrics")).text
    assert 'sllm_guard_verdicts_total{guard="words",stage="input",verdict="block"} 1.0' in text
