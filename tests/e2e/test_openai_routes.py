"""The other inference routes through the real engine: completions, responses, embeddings, rerank, score, tokens, models."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.e2e.running import Stack

pytestmark = pytest.mark.engine

CLOSED = ["/invocations", "/v1/load_lora_adapter", "/v1/messages", "/pooling", "/version", "/load", "/tokenizer_info", "/v2/rerank"]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="Hello", max_tokens=5, temperature=0)
    chunks = list(client.completions.create(model="chat", prompt="Hello", max_tokens=5, temperature=0, stream=True))
    assert "".join(c.choices[0].text for c in chunks) == answer.choices[0].text
    assert answer.usage is not None


def test_a_persona_with_a_system_prompt_refuses_completions(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="system prompt"):
        client.completions.create(model="poet", prompt="Hello")


def test_responses(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="chat", input="Hello", max_output_tokens=8, temperature=0)
    assert answer.object == "response"
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0
    assert isinstance(answer.output_text, str)


def test_responses_as_a_stream(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="chat", input="Hello", max_output_tokens=8, temperature=0, stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type in ("response.completed", "response.incomplete")
    assert any(e.type == "response.output_text.delta" for e in events)


def test_responses_of_a_persona_have_its_instructions(client: openai.OpenAI) -> None:
    plain = client.responses.create(model="chat", input="Hello", max_output_tokens=4)
    poet = client.responses.create(model="poet", input="Hello", max_output_tokens=4)
    assert poet.usage is not None
    assert plain.usage is not None
    assert poet.usage.input_tokens > plain.usage.input_tokens


def test_a_stored_response_is_honestly_absent(client: openai.OpenAI) -> None:
    made = client.responses.create(model="chat", input="Hello", max_output_tokens=4)
    with pytest.raises(openai.NotFoundError, match="not stored"):
        client.responses.retrieve(made.id)


def test_embeddings_in_both_encodings(client: openai.OpenAI) -> None:
    packed = client.embeddings.create(model="embed", input="A cat sits on the mat.")
    plain = client.embeddings.create(model="embed", input="A cat sits on the mat.", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens > 0


def test_score_and_rerank_by_embedding(stack: Stack) -> None:
    texts = ["A kitten rests on the rug.", "The stock market fell today."]
    query = "A cat sits on the mat."
    score = httpx.post(f"{stack.base_url}/v1/score", json={"model": "embed", "text_1": query, "text_2": texts}, timeout=60).json()
    rank = httpx.post(f"{stack.base_url}/v1/rerank", json={"model": "embed", "query": query, "documents": texts[::-1]}, timeout=60).json()
    assert score["data"][0]["score"] > score["data"][1]["score"]
    assert [r["index"] for r in rank["results"]] == [1, 0]


def test_tokens_there_and_back(stack: Stack) -> None:
    made = httpx.post(f"{stack.base_url}/tokenize", json={"model": "chat", "prompt": "Hello"}, timeout=60).json()
    back = httpx.post(f"{stack.base_url}/detokenize", json={"model": "chat", "tokens": made["tokens"]}, timeout=60).json()
    assert made["count"] == len(made["tokens"]) > 0
    assert "Hello" in back["prompt"]


def test_the_models(client: openai.OpenAI, stack: Stack) -> None:
    models = {m.id: m for m in client.models.list()}
    assert list(models) == ["chat", "support", "embed", "poet"]
    assert models["chat"].max_model_len == stack.engine("chat").max_model_len  # type: ignore[attr-defined]
    assert models["support"].parent == "chat"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", CLOSED)
def test_other_paths_of_the_engine_are_closed(path: str, stack: Stack) -> None:
    for answer in (httpx.get(stack.base_url + path), httpx.post(stack.base_url + path, json={"model": "chat"})):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_url"


async def test_the_asynchronous_client(stack: Stack) -> None:
    async with openai.AsyncOpenAI(base_url=f"{stack.base_url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "Hello"}], max_tokens=5, stream=True
        )
        assert [c async for c in stream]


def test_the_metrics_carry_both(stack: Stack) -> None:
    text = httpx.get(f"{stack.base_url}/metrics", timeout=60).text
    for model in ("chat", "embed"):
        assert f'vllm:num_requests_running{{model="{model}"' in text
    assert "sllm_requests_total{" in text
    assert text.count("# TYPE vllm:num_requests_running gauge") == 1
