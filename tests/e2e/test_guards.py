"""Guards before and behind the real engine, with the `openai` package: both shapes alike, tools, blocks, judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.running import Stack, metric, status, until
from tests.e2e.test_openai_chat import WEATHER

pytestmark = pytest.mark.engine

QUESTIONS = ("What is the capital of France?", "서울은 어떤 도시야?", "Say hello to me.", "토큰이 뭐야?")
JUDGE = """
messages:
  - {role: user, content: "{policy} {mark} {text}"}
request: {temperature: 0, max_tokens: 8, structured_outputs: {choice: ["yes", "no"]}}
verdict: '(?i)^\\W*(yes|no)'
safe: ["no"]
unsafe: ["yes"]
category: policy
"""


@pytest.fixture(scope="module")
def guarded(stack: Stack, start: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A gateway with guards over the other stack's engines. Each persona has guards of its own."""
    template = tmp_path_factory.mktemp("guards") / "judge.yaml"
    template.write_text(JUDGE)
    names = ("cut", "calls", "stop", "private", "topics", "judged")
    guards: list[dict[str, Any]] = [
        {"kind": "pattern", "name": "cut", "patterns": ["[aeiou][a-z]{1,3}", "[가-힣]다"], "action": "redact", "stage": "output"},
        {"kind": "pattern", "name": "calls", "patterns": ["celsius|fahrenheit"], "action": "redact", "stage": "output"},
        {"kind": "pattern", "name": "stop", "patterns": ["[a-z]{4}"], "stage": "output"},
        {"kind": "pii", "name": "private", "form": "reversible"},
        {
            "kind": "similarity",
            "name": "topics",
            "denied": ["How do I build a bomb?"],
            "embedder": "embed",
            "threshold": 0.6,
            "stage": "input",
        },
        {"kind": "llm", "name": "judged", "model": "chat", "template": str(template), "policy": "Is this rude?", "stage": "input"},
    ]
    config = {
        "models": [{"name": name, "upstreams": [stack.base_url]} for name in ("chat", "embed")],
        "personas": {name: {"model": "chat"} for name in names},
        "guards": [{**guard, "models": [guard["name"]]} for guard in guards],
    }
    gateway = start(config)
    until(lambda: status(f"{gateway.base_url}/ready") == 200, 60, gateway.said)
    return gateway


@pytest.fixture(scope="module")
def client(guarded: Stack) -> Iterator[openai.OpenAI]:
    with guarded.client() as client:
        yield client


def chat(client: openai.OpenAI, model: str, text: str, **more: Any) -> Any:
    asked = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 40, "temperature": 0, **more}
    return client.chat.completions.create(**asked)


@pytest.mark.parametrize("question", QUESTIONS)
def test_chat_streams_are_cut_as_whole_answers_are(client: openai.OpenAI, question: str) -> None:
    more = {"logprobs": True, "top_logprobs": 1}
    whole = chat(client, "cut", question, **more).choices[0]
    chunks = [c.choices[0] for c in chat(client, "cut", question, stream=True, **more) if c.choices]
    assert "".join(c.delta.content or "" for c in chunks) == whole.message.content
    assert "[PATTERN]" in whole.message.content or "[pattern]" in whole.message.content
    assert [c.finish_reason for c in chunks][-1] == whole.finish_reason
    streamed = [entry.token for c in chunks if c.logprobs and c.logprobs.content for entry in c.logprobs.content]
    assert streamed == [entry.token for entry in whole.logprobs.content]


def test_completions_and_responses_are_cut_alike_too(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "cut", "prompt": "The city of Paris is", "max_tokens": 30, "temperature": 0}
    whole = client.completions.create(**asked).choices[0].text
    assert "".join(c.choices[0].text for c in client.completions.create(**asked, stream=True) if c.choices) == whole
    question: dict[str, Any] = {"model": "cut", "input": QUESTIONS[0], "max_output_tokens": 40, "temperature": 0}
    answer = client.responses.create(**question)
    events = list(client.responses.create(**question, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == answer.output_text
    assert events[-1].response.output_text == answer.output_text
    assert "[" in answer.output_text


def test_every_choice_is_cut(client: openai.OpenAI) -> None:
    chunks = [c for c in chat(client, "cut", QUESTIONS[0], stream=True, n=2, temperature=0.8, seed=3) if c.choices]
    for index in (0, 1):
        text = "".join(choice.delta.content or "" for c in chunks for choice in c.choices if choice.index == index)
        assert "[" in text
        assert not any(part in text for part in ("apit", "aris", "ello"))


def test_tool_calls_are_cut_and_still_json(client: openai.OpenAI) -> None:
    more = {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 120, "frequency_penalty": 2}
    whole = chat(client, "calls", "What is the weather?", **more).choices[0].message.tool_calls[0].function
    chunks = [c.choices[0].delta for c in chat(client, "calls", "What is the weather?", stream=True, **more) if c.choices]
    calls = [call.function for delta in chunks for call in delta.tool_calls or ()]
    # the engine writes a call's spaces otherwise when it streams
    assert json.loads("".join(call.arguments or "" for call in calls)) == json.loads(whole.arguments)
    assert "".join(call.name or "" for call in calls) == whole.name
    assert "[PATTERN]" in whole.arguments
    assert "celsius" not in whole.arguments
    assert "fahrenheit" not in whole.arguments


def test_a_block_in_mid_stream_ends_it_and_the_engines_work(stack: Stack, client: openai.OpenAI) -> None:
    more = {"max_tokens": 400, "stream_options": {"include_usage": True}, "extra_body": {"ignore_eos": True}}
    chunks = list(chat(client, "stop", QUESTIONS[0], stream=True, **more))
    last = [c.choices[0] for c in chunks if c.choices][-1]
    assert last.finish_reason == "content_filter"
    assert "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens > 5  # by the engine's own tokenizer
    until(lambda: metric(stack, "vllm:num_requests_running") == 0, 20)


def test_a_value_goes_past_the_model_and_comes_back(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "private", "prompt": "Call 010-1234-5678 now", "max_tokens": 4, "temperature": 0, "echo": True}
    assert client.completions.create(**asked).choices[0].text.startswith("Call 010-1234-5678 now")
    chunks = client.completions.create(**asked, stream=True)
    assert "".join(c.choices[0].text for c in chunks if c.choices).startswith("Call 010-1234-5678 now")


def test_topics_are_told_by_the_engines_own_embeddings(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, "topics", "how can I make a bomb")
    assert refused.value.code == "content_filter"
    assert chat(client, "topics", QUESTIONS[0]).choices[0].message.content


def test_a_judge_served_by_the_engine_says_yes_or_no(guarded: Stack) -> None:
    said = []
    for question in QUESTIONS[:2]:
        body = {"model": "judged", "messages": [{"role": "user", "content": question}], "max_tokens": 4}
        answer = httpx.post(f"{guarded.base_url}/v1/chat/completions", json=body, timeout=60)
        said.append((answer.headers["x-sllm-guards"], answer.status_code))
    assert set(said) <= {("judged=pass", 200), ("judged=block", 400)}
