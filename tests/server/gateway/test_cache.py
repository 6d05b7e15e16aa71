"""The cache in the gateway: what is answered without the engine, in which shape, and what never is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.state import EngineState, Phase, StackState, write_state
from tests.scripted import CHAT, DONE, SSE_HEAD, Reply, Request, Script, Scripted, chunk, json_answer, talks
from tests.server.gateway.conftest import Gateways, asked, cached

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**ASK, "stream": True}
USAGE: dict[str, Any] = {**STREAM, "stream_options": {"include_usage": True}}
ON = {"cache": {"store": "memory"}}


def said(answer: httpx.Response) -> str:
    return answer.headers["x-sllm-cache"]


def text_of(body: bytes) -> str:
    """What a stream says."""
    found = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in found if c["choices"])


# Hits


async def test_the_same_question_is_answered_from_the_cache(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hel", "lo")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        first = await http.post(PATH, json=ASK)
        second = await http.post(PATH, json=ASK)
    assert (said(first), said(second)) == ("miss", "hit")
    assert second.content == first.content
    assert (first.headers.get("age"), second.headers["age"]) == (None, "0")
    assert second.headers["content-type"] == "application/json"
    assert second.headers["x-sllm-model"] == "m"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert asked(engine) == 1


async def test_a_whole_answer_is_served_as_a_stream_by_the_sdk(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hel", "lo")
    async with gateway(engine, **ON) as running:
        await cached(running)
        client = running.openai()
        whole = await client.chat.completions.create(**ASK)
        chunks = [c async for c in await client.chat.completions.create(**USAGE)]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content == "Hello"
    assert chunks[-1].usage == whole.usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert asked(engine) == 1


async def test_a_stream_is_served_whole_by_the_sdk(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hel", "lo")
    async with gateway(engine, **ON) as running:
        await cached(running)
        client = running.openai()
        async for _ in await client.chat.completions.create(**USAGE):
            pass
        raw = await client.chat.completions.with_raw_response.create(**ASK)
        whole = raw.parse()
    assert raw.headers["x-sllm-cache"] == "hit"
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Hello", "stop")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 8


async def test_usage_comes_only_to_those_who_ask_for_it(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        first = await http.post(PATH, json=USAGE)
        again = await http.post(PATH, json=USAGE)
        without = await http.post(PATH, json=STREAM)
    assert (said(again), said(without)) == ("hit", "hit")
    assert again.content == first.content
    assert b'"total_tokens"' not in without.content
    assert without.content.endswith(DONE)
    assert asked(engine) == 1


async def test_an_answer_whose_tokens_are_unknown_is_not_served_where_they_are_wanted(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=STREAM)  # an upstream of somebody else's is not asked for usage
        same = await http.post(PATH, json=STREAM)
        whole = await http.post(PATH, json=ASK)
    assert (said(same), said(whole)) == ("hit", "miss")
    assert whole.json()["usage"]["total_tokens"] == 8


async def test_a_hit_survives_the_gateway_in_sqlite(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    kept = {"cache": {"store": "sqlite"}, "gateway": {"data_dir": str(tmp_path)}}
    engine.script = talks("Hello")
    for expected in ("miss", "hit"):
        async with gateway(engine, **kept) as running, running.http() as http:
            await cached(running)
            assert said(await http.post(PATH, json=ASK)) == expected
    assert asked(engine) == 1


def slowly(seconds: float) -> Script:
    """A stream of "a" and, that much later, "b"."""

    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": "a"}))
        await asyncio.sleep(seconds)
        await reply.chunk(chunk({"content": "b"}))
        await reply.chunk(chunk({}, "stop") + DONE)
        await reply.chunk(b"")

    return script


async def test_the_pace_of_a_stream_is_kept_where_it_is_wanted(engine: Scripted, gateway: Gateways) -> None:
    engine.script = slowly(0.15)
    async with gateway(engine, cache={"store": "memory", "replay": "paced"}) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=STREAM)
        async with http.stream("POST", PATH, json=STREAM) as answer:
            assert said(answer) == "hit"
            pieces = [(asyncio.get_running_loop().time(), piece) async for piece in answer.aiter_bytes()]
    assert text_of(b"".join(piece for _, piece in pieces)) == "ab"
    second = next(when for when, piece in pieces if b'"b"' in piece)
    assert second - pieces[0][0] > 0.1


async def test_leaving_a_paced_answer_ends_it(engine: Scripted, gateway: Gateways) -> None:
    engine.script = slowly(0.4)
    async with gateway(engine, cache={"store": "memory", "replay": "paced"}) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=STREAM)
        async with http.stream("POST", PATH, json=STREAM) as answer:
            async for _ in answer.aiter_bytes():
                break
        while running.app.inflight.calls:
            await asyncio.sleep(0.01)
        assert [line["status"] for line in running.log if line["path"] == PATH] == [200, 499]


# What counts


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "user", "content": "hi "}]},
        {"temperature": 0.5},
        {"seed": 1},
        {"n": 2},
        {"tools": []},
        {"unknown_to_everyone": 1},
        {"max_tokens": 5},
        {"cache_salt": "x"},
    ],
    ids=str,
)
async def test_whatever_differs_and_matters_is_another_question(other: dict[str, Any], engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ASK)
        answer = await http.post(PATH, json={**ASK, **other})
    assert said(answer) == "miss"


async def test_who_asks_and_how_it_is_sent_does_not_count(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json={**ASK, "user": "a", "metadata": {"run": "1"}})
        body = b'{ "metadata":{"run":"2"}, "messages":[{"content":"h\\u0069","role":"user"}],"user":"b","model":"m"}'
        answer = await http.post(PATH, content=body)
    assert said(answer) == "hit"


async def test_namespaces_share_nothing(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        seen = [said(await http.post(PATH, json=ASK, headers=h)) for h in ({}, name("a"), name("b"), name("a"), {})]
    assert seen == ["miss", "miss", "miss", "hit", "hit"]


def name(namespace: str) -> dict[str, str]:
    return {"x-sllm-cache-namespace": namespace}


async def test_namespaces_are_heard_only_where_that_is_wanted(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, cache={"store": "memory", "namespace_header": False}) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ASK, headers=name("a"))
        assert said(await http.post(PATH, json=ASK, headers=name("b"))) == "hit"


async def test_a_persona_and_its_model_share_nothing(engine: Scripted, gateway: Gateways) -> None:
    personas = {"p": {"model": "m", "system": "Be brief."}, "q": {"model": "m", "system": "Be brief."}, "same": {"model": "m"}}
    async with gateway(engine, personas=personas, **ON) as running, running.http() as http:
        await cached(running)
        seen = [said(await http.post(PATH, json={**ASK, "model": model})) for model in ("m", "p", "q", "same", "p")]
    assert seen == ["miss", "miss", "miss", "miss", "hit"]


# Our own engines


def told(path: Path, engine: Scripted, **more: Any) -> None:
    state = EngineState("m", Phase.READY, 1.0, address=engine.url, **{"engine_version": "0.32.0", **more})
    write_state(path, StackState({"m": state}))


OURS = {"models": [{"name": "m", "path": "/nowhere", "adapters": {"a": "/nowhere"}}], **ON}


async def test_nothing_is_cached_until_the_weights_are_known(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    told(tmp_path / "state.json", engine)
    async with gateway(state=tmp_path / "state.json", **OURS) as running, running.http() as http:
        seen = [said(await http.post(PATH, json=ASK)) for _ in range(2)]
        told(tmp_path / "state.json", engine, weights="sha256:1", template="t")
        await cached(running)
        seen += [said(await http.post(PATH, json=ASK)) for _ in range(2)]
    assert seen == ["bypass", "bypass", "miss", "hit"]


@pytest.mark.parametrize("changed", [{"weights": "sha256:2"}, {"template": "u"}, {"engine_version": "0.33.0"}], ids=str)
async def test_another_engine_answers_anew(changed: dict[str, str], engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    known = {"weights": "sha256:1", "template": "t"}
    told(tmp_path / "state.json", engine, **known)
    async with gateway(state=tmp_path / "state.json", **OURS) as running, running.http() as http:
        await cached(running)
        before = running.app.catalogue.targets["m"].origin
        await http.post(PATH, json=ASK)
        told(tmp_path / "state.json", engine, **{**known, **changed})
        while running.app.catalogue.targets["m"].origin == before:
            await asyncio.sleep(0.005)
        assert said(await http.post(PATH, json=ASK)) == "miss"


async def test_an_adapter_is_cached_by_its_own_digest(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    told(tmp_path / "state.json", engine, weights="sha256:1")
    async with gateway(state=tmp_path / "state.json", **OURS) as running, running.http() as http:
        await cached(running)
        assert said(await http.post(PATH, json={**ASK, "model": "a"})) == "bypass"
        told(tmp_path / "state.json", engine, weights="sha256:1", adapters={"a": "sha256:a"})
        await cached(running, "a")
        seen = [said(await http.post(PATH, json={**ASK, "model": "a"})) for _ in range(2)]
    assert seen == ["miss", "hit"]


async def test_a_stream_of_ours_tells_its_tokens_for_later(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    told(tmp_path / "state.json", engine, weights="sha256:1")
    async with gateway(state=tmp_path / "state.json", **OURS) as running, running.http() as http:
        await cached(running)
        first = await http.post(PATH, json=STREAM)
        whole = await http.post(PATH, json=ASK)
    assert b"usage" not in first.content
    assert (said(whole), whole.json()["usage"]["total_tokens"]) == ("hit", 8)


# What the client says


def directive(value: str) -> dict[str, str]:
    return {"cache-control": value}


async def test_no_cache_has_it_made_anew_and_keeps_that(gateway: Gateways) -> None:
    count = 0

    async def script(request: Request, reply: Reply) -> None:
        nonlocal count
        count += request.method == "POST"
        await talks(str(count))(request, reply)

    async with Scripted(script) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        answers = [await http.post(PATH, json=ASK, headers=h) for h in ({}, {}, directive("no-cache"), {})]
    assert [said(a) for a in answers] == ["miss", "hit", "miss", "hit"]
    assert [a.json()["choices"][0]["message"]["content"] for a in answers] == ["1", "1", "2", "2"]


async def test_no_store_keeps_nothing(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        seen = [said(await http.post(PATH, json=ASK, headers=directive("no-store"))) for _ in range(2)]
    assert seen == ["miss", "miss"]


async def test_neither_read_nor_kept_passes_by(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        answer = await http.post(PATH, json=ASK, headers=directive("no-cache, no-store"))
    assert said(answer) == "bypass"


async def test_max_age_wants_a_fresh_one(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ASK)
        assert running.app.kept is not None
        real = running.app.kept.clock
        running.app.kept.clock = lambda: real() + 100
        old = await http.post(PATH, json=ASK, headers=directive("max-age=60"))
        running.app.kept.clock = lambda: real() + 110
        young = await http.post(PATH, json=ASK, headers=directive("max-age=60"))
    assert (said(old), said(young)) == ("miss", "hit")
    assert young.headers["age"] in ("9", "10")


async def test_only_if_cached_is_answered_without_the_engine(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        before = await http.post(PATH, json=ASK, headers=directive("only-if-cached"))
        assert asked(engine) == 0
        await http.post(PATH, json=ASK)
        after = await http.post(PATH, json=STREAM, headers=directive("only-if-cached"))
    assert (before.status_code, before.json()["error"]["code"]) == (504, "not_in_cache")
    assert (said(before), before.headers["x-should-retry"]) == ("miss", "false")
    assert (after.status_code, said(after)) == (200, "hit")


@pytest.mark.parametrize("path", ["/v1/rerank", "/tokenize"])
async def test_a_route_that_is_not_cached_has_nothing_kept(path: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        seen = [said(await http.post(path, json=ASK)) for _ in range(2)]
        only = await http.post(path, json=ASK, headers=directive("only-if-cached"))
    assert seen == ["bypass", "bypass"]
    assert only.status_code == 504


@pytest.mark.parametrize("header", [directive("max-age=soon"), name("x" * 129)], ids=str)
async def test_headers_that_say_no_such_thing_are_refused(header: dict[str, str], engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        answer = await http.post(PATH, json=ASK, headers=header)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_drawn_answers_are_kept_only_where_that_is_wanted(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, cache={"store": "memory", "sampled": False}) as running, running.http() as http:
        await cached(running)
        drawn = [said(await http.post(PATH, json=ASK)) for _ in range(2)]
        greedy = [said(await http.post(PATH, json={**ASK, "temperature": 0})) for _ in range(2)]
        seeded = [said(await http.post(PATH, json={**ASK, "seed": 7})) for _ in range(2)]
    assert drawn == ["bypass", "bypass"]
    assert greedy == seeded == ["miss", "hit"]


# What is never kept


async def cut(request: Request, reply: Reply) -> None:
    await reply.raw(SSE_HEAD)
    await reply.chunk(chunk({"role": "assistant", "content": "half"}))
    reply.reset()


async def without_an_end(request: Request, reply: Reply) -> None:
    await reply.raw(SSE_HEAD)
    await reply.chunk(chunk({"role": "assistant", "content": "half"}))
    await reply.chunk(b"")


async def an_error_inside(request: Request, reply: Reply) -> None:
    await reply.raw(SSE_HEAD)
    await reply.chunk(chunk({"content": "half"}) + b'data: {"error":{"message":"out of memory"}}\n\n' + DONE)
    await reply.chunk(b"")


@pytest.mark.parametrize("script", [cut, without_an_end, an_error_inside], ids=lambda s: s.__name__)
async def test_a_broken_stream_is_not_kept(script: Script, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = script
        await http.post(PATH, json=STREAM)
        engine.script = talks("whole")
        after = await http.post(PATH, json=STREAM)
    assert said(after) == "miss"
    assert text_of(after.content) == "whole"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_an_error_is_not_kept(status: int, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = json_answer({"error": {"message": "no"}}, status)
        failed = await http.post(PATH, json=ASK)
        engine.script = json_answer()
        after = await http.post(PATH, json=ASK)
    assert (failed.status_code, said(failed)) == (status, "miss")
    assert (after.status_code, said(after)) == (200, "miss")


@pytest.mark.parametrize(
    "answer", [{**CHAT, "choices": []}, {"object": "error", "message": "x"}, b"<html>", {**CHAT, "choices": [{}]}], ids=str
)
async def test_what_is_no_whole_answer_is_not_kept(answer: Any, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = json_answer(answer)
        await http.post(PATH, json=ASK)
        assert said(await http.post(PATH, json=ASK)) == "miss"


async def test_an_answer_whose_client_left_is_not_kept(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = talks("a", "b", gate=asyncio.Event())
        engine.closed.clear()
        async with http.stream("POST", PATH, json=STREAM) as answer:
            async for _ in answer.aiter_bytes():
                break
        await asyncio.wait_for(engine.closed.wait(), 5)
        engine.script = talks("whole")
        assert said(await http.post(PATH, json=STREAM)) == "miss"


async def test_an_answer_larger_than_an_entry_may_be_is_not_kept(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("x" * 5000)
    async with gateway(engine, cache={"store": "memory", "max_entry": 4000}) as running, running.http() as http:
        await cached(running)
        for body in (ASK, STREAM):
            seen = [said(await http.post(PATH, json=body)) for _ in range(2)]
            assert seen == ["miss", "miss"]


async def test_a_poisoned_row_is_a_miss_and_dropped(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ASK)
        await http.post(PATH, json=ASK)
        kept = running.app.kept
        assert kept is not None
        ((key, row),) = kept.levels.memory.rows.items()
        import msgspec

        kept.levels.put(msgspec.structs.replace(row, value=row.value[:-1] + b"x"))
        again = await http.post(PATH, json=ASK)
        metrics = (await http.get("/metrics")).text
    assert said(again) == "miss"
    assert 'sllm_cache_events_total{event="poisoned"} 1.0' in metrics
    assert key


# Off


async def test_a_gateway_without_a_cache_says_nothing_of_it(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
        metrics = (await http.get("/metrics")).text
        steps = [type(step).__name__ for step in running.app.pipeline.steps]
    assert "x-sllm-cache" not in answer.headers
    assert "sllm_cache" not in metrics
    assert steps == ["Admit", "Parse", "Resolve", "Forward"]


# What is told


async def test_the_log_and_the_metrics_tell_hits_and_what_they_saved(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        for _ in range(3):
            await http.post(PATH, json=ASK)
        text = (await http.get("/metrics")).text
        lines = running.log
    assert [line["cache"] for line in lines if line["path"] == PATH] == ["miss", "hit", "hit"]
    assert 'sllm_cache_requests_total{model="m",result="hit"} 2.0' in text
    assert 'sllm_cache_requests_total{model="m",result="miss"} 1.0' in text
    assert 'sllm_cache_saved_tokens_total{kind="prompt",model="m"} 10.0' in text
    assert 'sllm_cache_saved_tokens_total{kind="completion",model="m"} 6.0' in text
    assert 'sllm_tokens_total{kind="completion",model="m"} 3.0' in text  # what engines computed
    assert "sllm_cache_memory_entries 1.0" in text
    assert "sllm_cache_store_entries 1.0" in text
    assert "sllm_cache_store_up 1.0" in text


async def test_every_answer_says_what_the_cache_had_for_it(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        wrong = await http.post(PATH, content=b"{")
        nobody = await http.post(PATH, json={**ASK, "model": "nobody"})
    assert (said(wrong), said(nobody)) == ("bypass", "bypass")
