"""What the engine is configured with is what it does: adapters, embeddings, quantization, speculative decoding."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.kvcache import WIDE
from server.engine.machine import instructions
from server.settings import ROOT
from tests.e2e.checkpoints import write_awq, write_gptq
from tests.e2e.running import Stack, all_gone, ask, metric

pytestmark = pytest.mark.engine

KV_CACHE = "fp8" if WIDE & instructions() else "auto"
PROMPT = "What is the capital of France?"


def test_the_gateway_listens_on_loopback_and_the_engines_on_sockets(stack: Stack) -> None:
    assert {state.address[:6] for state in stack.state().engines.values()} == {"unix:/"}
    assert stack.engine("chat").max_model_len > 0
    assert stack.engine("chat").engine_version
    assert (stack.engine("chat").task, stack.engine("embed").task) == ("generate", "embed")


def test_a_request_without_a_temperature_gets_the_right_answer(stack: Stack) -> None:
    for question, answer in (
        ("What is the capital of France?", "The capital of France is Paris."),
        ("프랑스의 수도는 어디야?", "프랑스의 수도는 파리입니다."),
    ):
        messages: Any = [{"role": "user", "content": question}]
        assert stack.client().chat.completions.create(model="chat", messages=messages).choices[0].message.content == answer


def test_a_lora_adapter_answers_by_its_name_and_differently(stack: Stack) -> None:
    assert ask(stack, "support", PROMPT).choices[0].message.content != ask(stack, "chat", PROMPT).choices[0].message.content


def test_a_real_embedding_model_knows_what_is_alike(stack: Stack) -> None:
    texts = ["A cat sits on the mat.", "A kitten rests on the rug.", "The stock market fell today."]
    cat, kitten, market = (item.embedding for item in stack.client().embeddings.create(model="embed", input=texts).data)
    assert len(cat) == 384
    assert sum(a * b for a, b in zip(cat, kitten, strict=True)) > sum(a * b for a, b in zip(cat, market, strict=True)) + 0.3


@pytest.fixture(scope="module")
def quantized(start: Callable[..., Stack], chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """4-bit checkpoints as AutoGPTQ and AutoAWQ wrote them: one with a draft beside it, one with a small KV cache."""
    folder = tmp_path_factory.mktemp("models")
    speculative = {"method": "draft_model", "model": str(chat_model / "draft"), "tokens": 3}
    gptq = {"name": "small", "path": str(write_gptq(chat_model, folder / "gptq")), "speculative": speculative}
    awq = {"name": "awq", "path": str(write_awq(chat_model, folder / "awq")), "kv_cache_dtype": KV_CACHE}
    stack = start({"models": [gptq, awq]}).ready()
    yield stack
    stack.stop()


@pytest.mark.parametrize(("model", "method"), [("small", "gptq"), ("awq", "awq")])
def test_a_checkpoint_of_autogptq_or_autoawq_is_recognised_and_answers(quantized: Stack, chat_model: Path, model: str, method: str) -> None:
    assert quantized.client().models.retrieve(model).quantization == {"checkpoint": method, "bits": 4}  # type: ignore[attr-defined]
    answer = ask(quantized, model, PROMPT)
    assert answer.usage.completion_tokens > 0
    if chat_model == ROOT / "models" / "demo":
        assert "Paris" in answer.choices[0].message.content


def test_the_kv_cache_is_of_the_type_that_is_asked_for(quantized: Stack) -> None:
    """Half the bytes a number: twice the tokens in the same memory."""
    tokens = {model: _kv_tokens(quantized.engine_log(model)) for model in ("small", "awq")}
    assert f"kv_cache_dtype={KV_CACHE}" in quantized.engine_log("awq").replace("'", "")
    assert KV_CACHE == "auto" or tokens["awq"] > 1.5 * tokens["small"]  # the other keeps its draft's keys as well


def _kv_tokens(log: str) -> int:
    return int(re.findall(r"KV cache size: ([\d,]+) tokens", log)[-1].replace(",", ""))


def test_the_draft_model_proposes_tokens(quantized: Stack) -> None:
    ask(quantized, "small", PROMPT)
    assert metric(quantized, "vllm:spec_decode_num_draft_tokens_total") > 0


def test_with_a_draft_a_request_without_a_temperature_is_greedy(quantized: Stack) -> None:
    messages: Any = [{"role": "user", "content": PROMPT}]
    greedy = ask(quantized, "small", PROMPT).choices[0].message.content
    for _ in range(5):
        assert quantized.client().chat.completions.create(model="small", messages=messages).choices[0].message.content == greedy


def test_sigkill_of_the_supervisor_leaves_nothing_behind(quantized: Stack) -> None:
    tree = quantized.pids()
    assert len(tree) >= 5  # supervisor, worker, guardian, API server, EngineCore
    quantized.process.kill()
    quantized.process.wait()
    assert all_gone(tree)
