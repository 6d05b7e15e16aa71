from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench_peers import FIGURES, GUIDELLM, OURS, TOKENS, VLLM, command, compare, one, prompts, read
from benchmarks.errors import BenchError
from benchmarks.stack import DEMO


def times(p50: float, p99: float) -> dict[str, Any]:
    return {"successful": {"percentiles": {"p50": p50, "p99": p99}}}


def ours(done: int = 2) -> dict[str, Any]:
    of = {"vllm": {"p50": 1.0, "p99": 2.0}, "guidellm": {"p50": 3.0, "p99": 4.0}}
    summary = {"requests": {"completed": done}, "output_tokens_per_second": 500.0, "ttft_ms": of, "tpot_ms": of}
    return {"levels": [{"summary": summary}]}


def vllm(done: int = 2) -> dict[str, Any]:
    return {"completed": done, "output_throughput": 500.0, "p50_ttft_ms": 1.0, "p99_ttft_ms": 2.0, "p50_tpot_ms": 3.0, "p99_tpot_ms": 4.0}


def guidellm(done: int = 2) -> dict[str, Any]:
    metrics = {"request_totals": {"successful": done}, "output_tokens_per_second": {"successful": {"mean": 500.0}}}
    metrics |= {"time_to_first_token_ms": times(1.0, 2.0), "time_per_output_token_ms": times(3.0, 4.0)}
    return {"benchmarks": [{"metrics": metrics}]}


def test_ours_is_read_under_both_definitions():
    found = read(OURS, ours(), 2)
    assert list(found[VLLM].values()) == [500.0, 1.0, 2.0, 1.0, 2.0]
    assert list(found[GUIDELLM].values()) == [500.0, 3.0, 4.0, 3.0, 4.0]


@pytest.mark.parametrize(("tool", "result"), [(VLLM, vllm), (GUIDELLM, guidellm)])
def test_another_tools_result_is_read(tool: str, result: Any):
    assert read(tool, result(), 2) == {tool: dict(zip(FIGURES, [500.0, 1.0, 2.0, 3.0, 4.0], strict=True))}


@pytest.mark.parametrize(("tool", "result"), [(OURS, ours), (VLLM, vllm), (GUIDELLM, guidellm)])
def test_a_request_without_an_answer_ends_the_comparison(tool: str, result: Any):
    with pytest.raises(BenchError, match="1 of 2 requests"):
        read(tool, result(done=1), 2)


def run(tool: str, number: int, tokens: float) -> dict[str, Any]:
    figures = dict.fromkeys(FIGURES, 10.0) | {TOKENS: tokens}
    return {
        "round": number,
        "load": "rate 6",
        "tool": tool,
        "figures": {VLLM: figures} if tool == VLLM else {VLLM: figures, GUIDELLM: figures},
    }


def test_ratios_are_taken_within_a_round_and_their_median_is_judged():
    runs = [run(OURS, 0, 100.0), run(VLLM, 0, 100.0), run(VLLM, 1, 50.0), run(OURS, 1, 51.0), run(OURS, 2, 300.0), run(VLLM, 2, 200.0)]
    row = next(row for row in compare(runs) if row["figure"] == TOKENS)
    assert (row["peer"], row["load"], row["ratio"], row["low"], row["high"]) == (VLLM, "rate 6", 1.02, 1.0, 1.5)
    assert (row["goal"], row["met"]) == (0.03, True)


def test_a_missed_goal_is_told_on_either_side():
    for tokens in (96.0, 104.0):
        assert next(row for row in compare([run(OURS, 0, tokens), run(VLLM, 0, 100.0)]) if row["figure"] == TOKENS)["met"] is False


def test_a_round_in_which_a_tool_failed_does_not_count():
    failed = {"round": 1, "load": "rate 6", "tool": VLLM, "error": "no answer"}
    row = next(row for row in compare([run(OURS, 0, 100.0), run(VLLM, 0, 100.0), run(OURS, 1, 70.0), failed]) if row["figure"] == TOKENS)
    assert (row["ratio"], row["rounds"]) == (1.0, 1)
    assert compare([run(OURS, 1, 70.0), failed]) == []


@pytest.mark.parametrize("tool", [OURS, VLLM, GUIDELLM])
@pytest.mark.parametrize("load", [("concurrency", 8), ("rate", 2.5)])
def test_every_tool_is_given_server_prompts_number_and_load(tool: str, load: tuple[str, float]):
    words = " ".join(command(tool, "http://x:1", "demo", DEMO, Path("/p.jsonl"), Path("/out"), 77, load, 64))
    for wanted in ("http://x:1", "demo", "/p.jsonl", "/out", "77", f"{load[1]:g}"):
        assert wanted in words


def test_prompts_have_the_columns_of_all_three(tmp_path: Path):
    pytest.importorskip("tokenizers")
    file = tmp_path / "p.jsonl"
    asyncio.run(prompts(file, DEMO, 5, 1, 40, 16))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({line["prompt"] for line in lines}) == 5
    assert {(line["output_tokens"], line["output_tokens_count"], line["prompt_tokens_count"]) for line in lines} == {(16, 16, 40)}


def test_a_tool_that_fails_is_told_with_its_last_words(tmp_path: Path):
    with pytest.raises(BenchError, match="vllm bench failed with code 3: no such thing"):
        one(VLLM, ["sh", "-c", "echo no such thing >&2; exit 3"], tmp_path / "a", 1)
