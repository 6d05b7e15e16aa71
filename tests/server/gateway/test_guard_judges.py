"""Guards that ask a model: beside the generation, sentence by sentence, asking again, and when they fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.scripted import DONE, SSE_HEAD, USAGE, Reply, Request, Script, Scripted, chunk, generates, json_answer, talks
from tests.server.gateway.conftest import Gateways

PATH = "/v1/chat/completions"
JUDGE: dict[str, Any] = {"kind": "llm", "name": "judge", "model": "j", "policy": "Nothing about dragons."}
SCHEMA: dict[str, Any] = {"kind": "json_schema", "schema": {"type": "object", "required": ["name"]}, "action": "reask"}


def ask(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def judges(word: str = "dragon", wait: asyncio.Event | None = None, asked: list[Any] | None = None) -> Script:
    """A judge model that says yes, the text breaks the policy, where it holds `word`; with `wait` it takes its time."""

    async def script(request: Request, reply: Reply) -> None:
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": "j", "object": "model"}]})
            return
        if wait is not None:
            await wait.wait()
        body = request.json
        if asked is not None:
            asked.append(body)
        shown = json.dumps(body["messages"], ensure_ascii=False)
        text = shown.replace("Nothing about dragons", "")
        word_said, other = ("Yes", "No") if word in text else ("No", "Yes")
        top = [{"token": word_said, "logprob": -0.01, "bytes": None}, {"token": other, "logprob": -5.0, "bytes": None}]
        logs = {"content": [{"token": word_said, "logprob": -0.01, "bytes": None, "top_logprobs": top}]}
        message = {"role": "assistant", "content": word_said}
        await reply.json(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "j", "usage": {"prompt_tokens": 1, "completion_tokens": 1},
             "choices": [{"index": 0, "message": message, "logprobs": logs, "finish_reason": "stop"}]}
        )  # fmt: skip

    return script


def two(engine: Scripted, judge: Scripted) -> dict[str, Any]:
    return {"models": [{"name": "m", "upstreams": [engine.url]}, {"name": "j", "upstreams": [judge.url]}]}


async def test_a_judge_beside_the_generation_holds_its_first_byte(engine: Scripted, gateway: Gateways) -> None:
    wait = asyncio.Event()
    engine.script = talks("Hel", "lo")
    async with Scripted() as judge:
        judge.script = judges(wait=wait)
        async with gateway(guards=[{**JUDGE, "stage": "input"}], **two(engine, judge)) as running, running.http() as http:
            answer = asyncio.create_task(http.post(PATH, json=ask(stream=True)))
            async with asyncio.timeout(5):
                while not any(r.method == "POST" for r in engine.requests):
                    await asyncio.sleep(0.005)
            begun_before_the_verdict = not answer.done()
            wait.set()
            content = (await answer).content
    assert begun_before_the_verdict
    assert b'"lo"' in content
    assert content.endswith(DONE)


async def test_a_judge_that_says_no_ends_a_generation_that_has_said_nothing_yet(engine: Scripted, gateway: Gateways) -> None:
    left = asyncio.Event()

    async def silent(request: Request, reply: Reply) -> None:
        try:
            while True:
                await asyncio.sleep(0.01)
                reply.writer.write(b"") if not reply.writer.is_closing() else left.set()
                if left.is_set():
                    return
        except (ConnectionError, asyncio.CancelledError):
            left.set()
            raise

    engine.script = generates(silent)
    async with Scripted() as judge:
        judge.script = judges()
        async with gateway(guards=[{**JUDGE, "stage": "input"}], **two(engine, judge)) as running:
            with pytest.raises(openai.BadRequestError) as refused:
                async with asyncio.timeout(10):
                    await running.openai().chat.completions.create(**ask("tell me of a dragon", stream=True))
            async with asyncio.timeout(5):
                await left.wait()
            log = running.log[-1]
    assert refused.value.code == "content_filter"
    assert refused.value.response.headers["x-sllm-guards"] == "judge=block"
    assert (log["status"], log["error"]) == (400, "content_filter")


async def test_answers_are_judged_sentence_by_sentence_before_they_are_sent(engine: Scripted, gateway: Gateways) -> None:
    asked: list[Any] = []
    engine.script = talks("All is well. ", "Here comes a dra", "gon now. ", "And more.")
    async with Scripted() as judge:
        judge.script = judges(asked=asked)
        async with gateway(guards=[{**JUDGE, "stage": "output"}], **two(engine, judge)) as running:
            client = running.openai()
            stream = [c async for c in await client.chat.completions.create(**ask(stream=True))]
            whole = await client.chat.completions.create(**ask())
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == whole.choices[0].message.content
    assert text.strip() == "All is well."
    assert whole.choices[0].finish_reason == [c.choices[0].finish_reason for c in stream if c.choices][-1] == "content_filter"
    assert asked


@pytest.mark.parametrize(("on_error", "status"), [("open", 200), ("closed", 500)])
async def test_a_judge_that_answers_nonsense_is_what_on_error_says(on_error: str, status: int, engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("fine")
    async with Scripted() as judge:
        judge.script = talks("purple monkeys")
        guard = {**JUDGE, "stage": "input", "on_error": on_error}
        async with gateway(guards=[guard], **two(engine, judge)) as running, running.http() as http:
            answer = await http.post(PATH, json=ask())
            metrics = (await http.get("/metrics")).text
    assert answer.status_code == status
    assert answer.headers["x-sllm-guards"] == "judge=error"
    assert 'sllm_guard_errors_total{guard="judge"} 1.0' in metrics
    if status == 500:
        assert answer.json()["error"]["code"] == "guard_failed"
        assert "judge" in answer.json()["error"]["message"]


async def test_a_judge_that_hangs_is_waited_for_no_longer_than_its_timeout(engine: Scripted, gateway: Gateways) -> None:
    never = asyncio.Event()
    engine.script = talks("One. Two. ")
    async with Scripted() as judge:
        judge.script = judges(wait=never)
        guard = {**JUDGE, "stage": "output", "on_error": "closed", "timeout": "100ms"}
        async with gateway(guards=[guard], **two(engine, judge)) as running, running.http() as http:
            whole = await http.post(PATH, json=ask())
            stream = await http.post(PATH, json=ask(stream=True))
        never.set()
    assert (whole.status_code, whole.json()["error"]["code"]) == (500, "guard_failed")
    assert "guard_failed" in stream.text


async def test_an_answer_that_breaks_the_schema_is_asked_for_again(engine: Scripted, gateway: Gateways) -> None:
    answers = ["{}", '{"name": "ok"}']

    async def script(request: Request, reply: Reply) -> None:
        await talks(answers.pop(0))(request, reply)

    engine.script = generates(script)
    async with gateway(engine, guards=[SCHEMA]) as running:
        answer = await running.openai().chat.completions.create(**ask())
    assert answer.choices[0].message.content == '{"name": "ok"}'
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6  # both were computed
    last = engine.requests[-1].json["messages"]
    assert [m["role"] for m in last] == ["user", "assistant", "user"]
    assert "name" in last[-1]["content"]


async def test_a_stream_is_asked_for_again_too(engine: Scripted, gateway: Gateways) -> None:
    answers = ["{}", '{"name": "ok"}']

    async def script(request: Request, reply: Reply) -> None:
        await talks(answers.pop(0))(request, reply)

    engine.script = generates(script)
    async with gateway(engine, guards=[SCHEMA]) as running:
        stream = [c async for c in await running.openai().chat.completions.create(**ask(stream=True))]
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == '{"name": "ok"}'
    assert [c.choices[0].finish_reason for c in stream if c.choices][-1] == "stop"


async def test_asking_again_ends(engine: Scripted, gateway: Gateways) -> None:
    engine.script = generates(talks("{}"))
    async with gateway(engine, guards=[{**SCHEMA, "reasks": 2}]) as running:
        whole = await running.openai().chat.completions.create(**ask())
        asked = sum(r.method == "POST" for r in engine.requests)
        stream = [c async for c in await running.openai().chat.completions.create(**ask(stream=True))]
    assert (whole.choices[0].finish_reason, whole.choices[0].message.content) == ("content_filter", None)
    assert asked == 3
    assert [c.choices[0].finish_reason for c in stream if c.choices][-1] == "content_filter"


async def test_a_stream_that_a_guard_ends_tells_the_prompts_tokens(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        if request.path == "/tokenize":
            await json_answer({"count": 7, "tokens": []})(request, reply)
            return
        await reply.raw(SSE_HEAD)
        for word in ("a ", "forbidden", " b", " c", " d"):
            await reply.chunk(chunk({"content": word}))
        await asyncio.sleep(0.2)
        await reply.chunk(USAGE)
        await reply.chunk(DONE)
        await reply.chunk(b"")

    engine.script = generates(script)
    guard = {"kind": "pattern", "patterns": ["forbidden"]}
    async with gateway(engine, guards=[guard]) as running:
        stream = await running.openai().chat.completions.create(**ask(stream=True, stream_options={"include_usage": True}))
        chunks = [c async for c in stream]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 7
    assert chunks[-1].usage.completion_tokens >= 2


async def test_a_judge_works_while_the_gateway_drains(engine: Scripted, gateway: Gateways) -> None:
    wait = asyncio.Event()
    engine.script = talks("fine")
    async with Scripted() as judge:
        judge.script = judges(wait=wait)
        guard = {**JUDGE, "stage": "input", "on_error": "closed", "parallel": False}
        async with gateway(guards=[guard], **two(engine, judge)) as running, running.http() as http:
            answer = asyncio.create_task(http.post(PATH, json=ask()))
            async with asyncio.timeout(5):
                while not any(r.method == "POST" for r in judge.requests):
                    await asyncio.sleep(0.005)
            running.app.drain.signalled = True
            wait.set()
            assert (await answer).status_code == 200
