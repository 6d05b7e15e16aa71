from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Request
from benchmarks.prompts.requests import PromptOptions, build
from tests.benchmarks.prompts.words import WordTokenizer

CHAT = PromptOptions(input_tokens=16, output_tokens=5)


async def built(options: PromptOptions, count: int = 3, seed: int = 1, notes: list[str] | None = None) -> list[Request]:
    return await build(options, WordTokenizer(), "demo", count, seed, notes)


def body(request: Request) -> dict[str, Any]:
    return json.loads(request.body)


async def test_a_request_is_a_stream_with_usage_of_a_fixed_length():
    for request in await built(CHAT):
        assert request.path == "/v1/chat/completions"
        assert (request.input_tokens, request.output_tokens) == (16, 5)
        sent = body(request)
        assert sent.pop("messages")
        assert sent == {
            "model": "demo",
            "max_tokens": 5,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }


async def test_a_completion_sends_token_ids():
    request = (await built(replace(CHAT, endpoint="completions")))[0]
    assert request.path == "/v1/completions"
    assert len(body(request)["prompt"]) == 16


async def test_where_answers_may_end_early_nothing_is_said_of_it():
    assert "ignore_eos" not in body((await built(replace(CHAT, ignore_eos=False)))[0])


async def test_sampling_has_a_seed_for_each_request():
    seeds = [body(request)["seed"] for request in await built(replace(CHAT, temperature=0.7))]
    assert len(set(seeds)) == 3
    assert seeds == [body(request)["seed"] for request in await built(replace(CHAT, temperature=0.7))]


async def test_a_salt_differs_from_level_to_level_and_not_within_one():
    salts = [{body(request)["cache_salt"] for request in await built(replace(CHAT, cache_salt="s"), seed=seed)} for seed in (1, 2)]
    assert salts == [{"s-1"}, {"s-2"}]


async def test_more_fields_go_along_and_korean_is_not_escaped():
    request = (await built(replace(CHAT, language="ko", extra={"top_p": 0.5})))[0]
    assert body(request)["top_p"] == 0.5
    assert "\\u" not in request.body.decode()


async def test_a_file_with_fewer_prompts_says_so(tmp_path: Path):
    file = tmp_path / "own.jsonl"
    file.write_text('{"prompt": "x"}\n' * 2)
    notes: list[str] = []
    assert len(await built(PromptOptions(dataset="jsonl", file=file), count=5, notes=notes)) == 2
    assert notes == [f"{file} has 2 prompts for 5 requests: they repeat, so the server's prefix cache may know them"]


async def test_options_are_checked_first():
    with pytest.raises(BenchUsageError, match="--dataset"):
        await built(replace(CHAT, dataset="sonnet"))
