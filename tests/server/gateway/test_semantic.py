"""Questions that mean the same, through the whole gateway: both shapes, headers, audits, a judge, two workers' store."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.scripted import Scripted, json_answer
from tests.server.cache.semantic.conftest import minilm_folder  # noqa: F401
from tests.server.gateway.conftest import cached

RESET, AGAIN = "How do I reset my password on the website?", "how do i reset my password on the website"


def said(text: str) -> dict:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }  # fmt: skip


def echo(judge: str = "yes"):
    """Answers with the question in capitals; as a judge, with `judge`."""

    async def script(request, reply):
        if request.method == "GET":
            return await reply.json({"error": {}}, 404)
        body = request.json
        text = body["messages"][-1]["content"]
        text = text if isinstance(text, str) else text[0]["text"]
        answer = judge if text.startswith("You compare two answers") else text.upper()
        await reply.json(said(answer))

    return script


async def learnt(running):
    """Wait until all that was answered is kept, and compared where it is to be."""
    await asyncio.sleep(0.01)
    while running.app.kept.drafts:
        running.app.kept.tick()
    await running.app.similar.semantic.settled()


@asynccontextmanager
async def semantic(gateway, engine, folder: Path, **options):
    """A gateway whose embedder is there."""
    configuration = {"mode": "serve", "threshold": 0.8, "audit_share": 0.0, "judge": "m", **options}
    async with gateway(engine, gateway={"data_dir": str(folder)}, cache={"semantic": configuration}) as running:
        await running.app.similar.semantic.settled()
        await cached(running)
        async with running.http() as client:

            async def ask(question: str, headers: dict | None = None, **fields):
                message = {"role": "user", "content": question}
                body = {"model": "m", "temperature": 0, "messages": [message], **fields}
                answer = await client.post("/v1/chat/completions", json=body, headers=headers)
                await learnt(running)
                return answer

            yield running, ask


async def test_a_question_that_means_the_same_gets_the_kept_answer_in_both_shapes(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (_, ask):
        first = await ask(RESET)
        whole, stream = await ask(AGAIN), await ask(AGAIN, stream=True, stream_options={"include_usage": True})
        assert first.headers["x-sllm-cache"] == "miss"
        assert whole.headers["x-sllm-cache"] == stream.headers["x-sllm-cache"] == "semantic"
        assert int(whole.headers["age"]) >= 0
        assert whole.json()["choices"] == first.json()["choices"]
        events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: {")]
        assert "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"]) == RESET.upper()
        assert events[-1]["usage"]["completion_tokens"] == 3


async def test_an_exact_hit_comes_first(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (_, ask):
        await ask(RESET)
        assert (await ask(RESET)).headers["x-sllm-cache"] == "hit"


@pytest.mark.parametrize(
    ("one", "other"), [("How do I enable 2FA?", "How do I disable 2FA?"), ("2단계 인증은 어떻게 켜나요?", "2단계 인증은 어떻게 끄나요?")]
)
async def test_opposites_are_answered_by_the_engine(gateway, engine, tmp_path, one, other):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path, threshold=0.3) as (_, ask):
        await ask(one)
        answer = await ask(other)
        assert answer.headers["x-sllm-cache"] == "miss"
        assert answer.json()["choices"][0]["message"]["content"] == other.upper()


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"x-sllm-cache-namespace": "other"}, {}),
        ({"cache-control": "no-cache"}, {}),
        ({"cache-control": "max-age=0"}, {}),
        ({}, {"seed": 7}),
        ({}, {"max_tokens": 7}),
        ({}, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
        ({}, {"messages": [{"role": "system", "content": "Be rude."}, {"role": "user", "content": AGAIN}]}),
    ],
    ids=["namespace", "no-cache", "max-age", "seed", "max_tokens", "tools", "system prompt"],
)
async def test_what_must_not_be_served_by_meaning_is_not(gateway, engine, tmp_path, headers, fields):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (running, ask):
        await ask(RESET)
        if headers.get("cache-control") == "max-age=0":
            now = running.app.kept.clock()
            running.app.kept.clock = lambda: now + 10
        assert (await ask(AGAIN, headers, **fields)).headers["x-sllm-cache"] == "miss"


async def test_an_answer_that_was_cut_off_is_not_served(gateway, engine, tmp_path):
    cut = said("half an answ")
    cut["choices"][0]["finish_reason"] = "length"
    engine.script = json_answer(cut)
    async with semantic(gateway, engine, tmp_path) as (_, ask):
        await ask(RESET)
        assert (await ask(RESET)).headers["x-sllm-cache"] == "hit"
        assert (await ask(AGAIN)).headers["x-sllm-cache"] == "miss"


async def test_only_if_cached_is_content_with_a_similar_answer_and_504_without(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (_, ask):
        only = {"cache-control": "only-if-cached"}
        assert (await ask(AGAIN, only)).status_code == 504
        await ask(RESET)
        assert (await ask(AGAIN, only)).headers["x-sllm-cache"] == "semantic"
        assert (await ask("What is the capital of France?", only)).status_code == 504


async def test_after_a_flush_nothing_is_served(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (running, ask):
        await ask(RESET)
        await running.app.kept.flush(None, None)
        assert (await ask(AGAIN)).headers["x-sllm-cache"] == "miss"


async def test_shadow_serves_nothing_and_says_what_it_would_have(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path, mode="shadow") as (running, ask):
        await ask(RESET)
        assert (await ask(AGAIN)).headers["x-sllm-cache"] == "miss"
        async with running.http() as client:
            told = (await client.get("/admin/cache")).json()["semantic"]
            metrics = (await client.get("/metrics")).text
        assert told["mode"] == "shadow"
        assert told["partitions"][0]["audits"] == 1
        assert 'sllm_cache_semantic_decisions_total{decision="shadow",model="m"} 1.0' in metrics
        assert 'sllm_cache_audited_total{model="m"} 1.0' in metrics


async def test_in_shadow_nobody_waits_for_the_embedder(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path, mode="shadow", deadline="20s") as (running, ask):
        await ask(RESET)
        embedder, released = running.app.similar.semantic.embedding.embedder, asyncio.Event()
        embed = embedder.embed

        async def slow(texts):
            await released.wait()
            return await embed(texts)

        embedder.embed = slow
        async with running.http() as client:
            body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": AGAIN}]}
            answer = await client.post("/v1/chat/completions", json=body)
        assert answer.headers["x-sllm-cache"] == "miss"  # while the embedder still works
        released.set()
        await learnt(running)
        assert running.app.similar.semantic.report()["partitions"][0]["audits"] == 1


async def test_a_judge_that_says_no_turns_the_partition_off_and_the_header_goes_back_to_miss(gateway, engine, tmp_path):
    engine.script = echo(judge="no")
    async with semantic(gateway, engine, tmp_path) as (running, ask):
        await ask(RESET)
        assert (await ask(AGAIN)).headers["x-sllm-cache"] == "semantic"
        assert (await ask(AGAIN + " ")).headers["x-sllm-cache"] == "miss"
        async with running.http() as client:
            (partition,) = (await client.get("/admin/cache")).json()["semantic"]["partitions"]
            metrics = (await client.get("/metrics")).text
        assert partition["serving"] is False
        assert partition["false_hits"] >= 1
        assert 'sllm_cache_false_hits_total{model="m"} 1.0' in metrics
        assert 'sllm_cache_semantic_partitions_off{model="m"} 1.0' in metrics
    fresh = [r for r in engine.requests if r.method == "POST" and r.json["messages"][-1]["content"] == AGAIN]
    assert len(fresh) == 1  # the audit's
    assert "stream" not in fresh[0].json


async def test_a_restart_keeps_questions_and_what_was_counted(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (_, ask):
        await ask(RESET)
        assert (await ask(AGAIN)).headers["x-sllm-cache"] == "semantic"
    async with semantic(gateway, engine, tmp_path) as (running, ask):
        assert (await ask("How do I reset my password on the website")).headers["x-sllm-cache"] == "semantic"
        (partition,) = running.app.similar.semantic.report()["partitions"]
        assert partition["audits"] == 2


async def test_two_gateways_on_one_file_share_questions(gateway, engine, tmp_path):
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path) as (_, ask), semantic(gateway, engine, tmp_path) as (_, other):
        await ask(RESET)
        for _ in range(200):
            if (await other(AGAIN + "?", {"cache-control": "no-store"})).headers["x-sllm-cache"] == "semantic":
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the other gateway never served it")


async def test_a_served_model_embeds(gateway, tmp_path):
    places = {RESET: [1.0, 0.0], AGAIN: [0.95, 0.3122]}

    async def embed(request, reply):
        if request.method == "GET":
            return await reply.json({"error": {}}, 404)
        await reply.json({"object": "list", "data": [{"index": 0, "embedding": places[request.json["input"][0]]}], "model": "e"})

    async with Scripted(echo()) as chat, Scripted(embed) as embedding:
        models = [{"name": "m", "upstreams": [chat.url]}, {"name": "e", "upstreams": [embedding.url]}]
        cache = {"semantic": {"mode": "serve", "threshold": 0.9, "embedder": "e", "audit_share": 0.0}}
        async with gateway(models=models, gateway={"data_dir": str(tmp_path)}, cache=cache) as running, running.http() as client:
            await cached(running)
            got = []
            for question in (RESET, AGAIN):
                body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": question}]}
                got.append((await client.post("/v1/chat/completions", json=body)).headers["x-sllm-cache"])
                await learnt(running)
            assert got == ["miss", "semantic"]


async def test_a_judge_that_is_no_served_model_is_refused_at_the_start(gateway, engine):
    from server.errors import ConfigError

    with pytest.raises(ConfigError, match="'nobody' is no served model: one of m"):
        async with gateway(engine, cache={"semantic": {"mode": "shadow", "judge": "nobody"}}):
            pass


async def test_off_there_is_no_step_and_nothing_of_it_is_imported(gateway, engine):
    async with gateway(engine, cache={"store": "memory"}) as running:
        assert running.app.similar is None
        assert len(running.app.pipeline.steps) == 6


async def test_a_real_model_serves_paraphrases_and_never_opposites(gateway, engine, tmp_path, minilm_folder):  # noqa: F811
    engine.script = echo()
    async with semantic(gateway, engine, tmp_path, embedder=str(minilm_folder), threshold=0.75, deadline="5s") as (_, ask):
        await ask("How do I enable 2FA?")
        await ask("How do I reset my password?")
        for question, result in (
            ("How do I disable 2FA?", "miss"),
            ("How can I reset my password?", "semantic"),
            ("how can I enable 2FA", "semantic"),
            ("What is the capital of France?", "miss"),
        ):
            assert (await ask(question)).headers["x-sllm-cache"] == result, question
