"""The cache in front of the real engine, with the `openai` package: both shapes, tools, restarts, two workers, the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from server.settings import ROOT
from tests.e2e.running import Stack, metric, status, until
from tests.e2e.test_openai_chat import COLOUR, MESSAGES, TERSE, WEATHER

pytestmark = pytest.mark.engine

TOOL: dict[str, Any] = {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}, **TERSE}
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": TOOL,
    "json": {"response_format": {"type": "json_schema", "json_schema": COLOUR}, **TERSE},
    "logprobs": {"logprobs": True, "top_logprobs": 2, "max_tokens": 4},
    "several": {"n": 2, "temperature": 1, "seed": 3, "max_tokens": 6},
    "cut": {"max_tokens": 2},
}


@pytest.fixture(scope="module")
def cached(start: Callable[..., Stack], chat_model: Path, embedding_model: Path) -> Stack:
    """Two workers over one chat and one embedding model, and the cache as it comes: SQLite."""
    models = [{"name": "chat", "path": str(chat_model)}, {"name": "embed", "path": str(embedding_model)}]
    stack = start({"models": models, "cache": {"store": "sqlite"}, "gateway": {"workers": 2, "drain_timeout": "5s"}}).ready()
    until(lambda: all(engine.weights for engine in stack.state().engines.values()), 30, stack.said)
    client = stack.client()

    def looked_up() -> bool:
        # Each worker reads the news of the weights for itself.
        seen = [client.chat.completions.with_raw_response.create(**chat(max_tokens=1)).headers["x-sllm-cache"] for _ in range(8)]
        return "bypass" not in seen

    until(looked_up, 30, stack.said)
    return stack


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **more}


def whole(client: openai.OpenAI, **more: Any) -> tuple[str, Any]:
    raw = client.chat.completions.with_raw_response.create(**chat(**more))
    return raw.headers["x-sllm-cache"], raw.parse()


def streamed(client: openai.OpenAI, **more: Any) -> tuple[str, Any]:
    """The stream put together again by the package's own accumulator."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    raw = client.chat.completions.with_raw_response.create(**chat(**more, **options))
    from openai.lib.streaming.chat._completions import ChatCompletionStreamState

    state: Any = ChatCompletionStreamState()
    for chunk in raw.parse():
        state.handle_chunk(chunk)
    return raw.headers["x-sllm-cache"], state.current_completion_snapshot


def settled(look: Callable[[], str]) -> None:
    """Wait until both workers know an answer: each connection belongs to one of them, and news take a moment."""
    until(lambda: all(look() == "hit" for _ in range(6)), 10)


def facts(answer: Any) -> list[Any]:
    """What both shapes must agree in."""
    found: list[Any] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]
    for choice in answer.choices:
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
        logprobs = [(t.token, t.logprob) for t in choice.logprobs.content] if choice.logprobs and choice.logprobs.content else []
        found.append((choice.index, choice.message.content or "", choice.finish_reason, calls, logprobs))
    return found


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("first", ["whole", "stream"])
def test_one_entry_answers_in_both_shapes(name: str, first: str, cached: Stack) -> None:
    client, request = cached.client(), {**REQUESTS[name], "user": "a", "extra_body": {"cache_salt": f"{name} {first}"}}
    ask, other = (whole, streamed) if first == "whole" else (streamed, whole)
    made, answer = ask(client, **request)
    assert made == "miss"
    settled(lambda: ask(client, **request)[0])
    settled(lambda: other(client, **request)[0])
    for shape in (ask, other):
        found: list[Any] = []

        def hit(shape: Any = shape, found: list[Any] = found) -> bool:
            said, again = shape(client, **request)
            found[:] = [again]
            return bool(said == "hit")  # a new connection may belong to the worker that has not heard of it yet

        until(hit, 10)
        assert facts(found[0]) == facts(answer)


def test_responses_are_served_in_both_shapes(cached: Stack) -> None:
    client = cached.client()
    request: dict[str, Any] = {"model": "chat", "input": "What is the capital of France?", "temperature": 0, "max_output_tokens": 12}
    raw = client.responses.with_raw_response.create(**request)
    made = raw.parse()
    assert raw.headers["x-sllm-cache"] == "miss"
    until(lambda: client.responses.with_raw_response.create(**request).headers["x-sllm-cache"] == "hit", 5)
    stream = client.responses.create(**request, stream=True)
    last = list(stream)[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == made.output_text


def test_embeddings_are_kept_input_by_input(cached: Stack) -> None:
    client = cached.client()

    def embed(*inputs: str) -> tuple[str, Any]:
        raw = client.embeddings.with_raw_response.create(model="embed", input=list(inputs), encoding_format="float")
        return raw.headers["x-sllm-cache"], raw.parse()

    _, one = embed("a red house")
    _, two = embed("the sea")
    until(lambda: all(embed("the sea", "a red house")[0] == "hit" for _ in range(4)), 5)
    said, both = embed("the sea", "a red house")
    assert said == "hit"
    assert [d.embedding for d in both.data] == [two.data[0].embedding, one.data[0].embedding]
    assert [d.index for d in both.data] == [0, 1]
    assert both.usage.prompt_tokens == one.usage.prompt_tokens + two.usage.prompt_tokens
    said, three = embed("the sea", "something new")
    assert (said, three.data[0].embedding) == ("miss", two.data[0].embedding)


def test_many_at_once_are_few_generations(cached: Stack) -> None:
    before = metric(cached, "vllm:request_success_total")
    answers: list[str] = []

    def ask() -> None:
        with openai.OpenAI(base_url=f"{cached.base_url}/v1", api_key="none", max_retries=0, timeout=120) as client:
            answers.append(
                streamed(client, messages=[{"role": "user", "content": "Tell me about Seoul."}], max_tokens=48)[1]
                .choices[0]
                .message.content
            )

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(answers) == 24
    assert len(set(answers)) == 1
    assert 1 <= metric(cached, "vllm:request_success_total") - before <= 2  # one for each worker


def test_the_command_tells_and_empties(cached: Stack) -> None:
    def command(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "sllm", "cache", *words, "--url", cached.base_url, "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    client = cached.client()
    whole(client, seed=77)
    until(lambda: all(whole(client, seed=77)[0] == "hit" for _ in range(4)), 5)
    assert command("stats")["entries"] > 0
    assert command("flush", "--model", "chat")["removed"] > 0
    assert all(group["model"] == "embed" for group in command("stats")["held"])
    until(lambda: whole(client, seed=77, extra_body={"unknown": 1})[0] in ("miss", "hit"), 5)
    with pytest.raises(openai.APIStatusError) as nothing:
        client.chat.completions.create(**chat(seed=77), extra_headers={"cache-control": "only-if-cached"})
    assert (nothing.value.status_code, nothing.value.code) == (504, "not_in_cache")


def test_answers_outlive_a_worker_that_is_killed(cached: Stack) -> None:
    client = cached.client()
    whole(client, seed=5)
    until(lambda: all(whole(client, seed=5)[0] == "hit" for _ in range(4)), 5)
    import os

    for pid in cached.named("server.gateway"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: status(f"{cached.base_url}/ready") == 200, 20)

    def hit() -> bool:
        try:
            return whole(cached.client(), seed=5)[0] == "hit"
        except openai.APIConnectionError:
            return False

    until(hit, 20)
    assert httpx.get(f"{cached.base_url}/admin/cache").json()["up"] is True
