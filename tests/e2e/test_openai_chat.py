"""Chat through the real engine with the `openai` package: plain, streamed, tools, JSON schema, personas, faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.running import Stack, metric, until

pytestmark = pytest.mark.engine

MESSAGES: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
# A small model may fill JSON with white space for ever: the penalty makes it go on.
TERSE: dict[str, Any] = {"max_tokens": 120, "frequency_penalty": 2}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["unit"],
            "additionalProperties": False,
        },
    },
}
COLOUR: dict[str, Any] = {
    "name": "colour",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "green"]}, "dark": {"type": "boolean"}},
        "required": ["colour", "dark"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def chat(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "chat", "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **more})


def chats(stack: Stack, name: str) -> float:
    """The value of an engine's metric for the chat model."""
    lines = httpx.get(f"{stack.base_url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + '{model="chat"'))


def test_an_answer(client: openai.OpenAI) -> None:
    answer = chat(client)
    assert answer.object == "chat.completion"
    assert answer.model == "chat"
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    chunks = list(chat(client, stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text == chat(client).choices[0].message.content
    assert all(c.usage is None for c in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    *chunks, last = chat(client, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == chat(client).usage.completion_tokens
    assert all(c.usage is None for c in chunks)


def test_tokens_of_streams_are_counted(client: openai.OpenAI, stack: Stack) -> None:
    before = metric(stack, 'sllm_tokens_total{kind="completion",model="chat"}')
    list(chat(client, stream=True, max_tokens=5, extra_body={"ignore_eos": True}))
    assert until(lambda: metric(stack, 'sllm_tokens_total{kind="completion",model="chat"}') - before, 5) == 5


def test_several_choices(client: openai.OpenAI) -> None:
    answer = chat(client, n=2, temperature=1, max_tokens=4)
    assert [c.index for c in answer.choices] == [0, 1]


def test_logprobs(client: openai.OpenAI) -> None:
    answer = chat(client, logprobs=True, top_logprobs=2, max_tokens=3)
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


def test_a_named_tool_with_strict_follows_its_schema(client: openai.OpenAI) -> None:
    answer = chat(client, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}, **TERSE)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["unit"] in ("celsius", "fahrenheit")


def test_tools_are_optional_with_auto(client: openai.OpenAI) -> None:
    answer = chat(client, tools=[WEATHER], tool_choice="auto")
    assert answer.choices[0].message.role == "assistant"


def test_a_json_schema_is_kept(client: openai.OpenAI) -> None:
    answer = chat(client, response_format={"type": "json_schema", "json_schema": COLOUR}, **TERSE)
    found = json.loads(answer.choices[0].message.content)
    assert found["colour"] in ("red", "green")
    assert isinstance(found["dark"], bool)


def test_parameters_of_vllm_pass(client: openai.OpenAI) -> None:
    answer = chat(client, extra_body={"top_k": 1, "min_p": 0.1, "structured_outputs": {"choice": ["yes", "no"]}})
    assert answer.choices[0].message.content in ("yes", "no")


def test_a_persona_answers_with_its_system_prompt(client: openai.OpenAI) -> None:
    plain, poet = chat(client), chat(client, model="poet")
    assert poet.usage.prompt_tokens > plain.usage.prompt_tokens
    assert poet.model == "chat"


def test_a_persona_joins_the_clients_system_message(client: openai.OpenAI) -> None:
    answer = chat(client, model="poet", messages=[{"role": "system", "content": "Be brief."}, *MESSAGES])
    assert answer.choices[0].message.role == "assistant"


def test_an_adapter_answers_by_its_name(client: openai.OpenAI) -> None:
    assert chat(client, model="support").model == "support"


def test_a_context_that_is_too_long_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(client, messages=[{"role": "user", "content": "hello " * 20_000}])
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.type == "invalid_request_error"


def test_wrong_parameters_are_bad_requests_that_name_them(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as value:
        chat(client, temperature=-1)
    assert "temperature" in value.value.message
    with pytest.raises(openai.BadRequestError) as missing:
        client.chat.completions.create(model="chat", messages="hi")  # type: ignore[call-overload]
    assert "messages" in missing.value.message
    assert missing.value.param == "messages"


def test_an_unknown_model_names_the_known_ones(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'chat'"):
        chat(client, model="gpt-5")


def test_a_route_that_a_model_does_not_serve(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        chat(client, model="embed")
    assert caught.value.status_code in (400, 404)
    assert "embed" in caught.value.message or "support" in caught.value.message


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_engines_work(stack: Stack, stream: bool) -> None:
    running = "vllm:num_requests_running"
    until(lambda: chats(stack, running) == 0, 30)
    length = stack.engine("chat").max_model_len - 100
    body = {"model": "chat", "messages": MESSAGES, "max_tokens": length, "stream": stream, "ignore_eos": True}
    with httpx.Client(base_url=stack.base_url) as client:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body, timeout=60) as answer:
                next(answer.iter_bytes())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/chat/completions", json=body, timeout=httpx.Timeout(60, read=0.2))
    until(lambda: chats(stack, running) == 0, 2)
    assert until(lambda: '"disconnected":true' in stack.said(), 5)


def test_the_request_id_reaches_the_engine(stack: Stack) -> None:
    answer = httpx.post(
        f"{stack.base_url}/v1/chat/completions",
        json={"model": "chat", "messages": MESSAGES, "max_tokens": 2},
        headers={"x-request-id": "mine-1"},
        timeout=60,
    )
    assert answer.headers["x-request-id"] == "mine-1"
    assert "mine-1" in answer.json()["id"]
