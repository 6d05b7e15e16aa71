"""Benchmarks that start their own engine, on the real one: batching as a whole, and the counters that speculation is judged by."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

import pytest

from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Load
from benchmarks.loadgen.target import parse
from benchmarks.metrics.acceptance import between
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.requests import build
from benchmarks.prompts.tokenizer import find
from benchmarks.runs.batching import BatchingOptions, run
from benchmarks.runs.speculation import QUESTIONS, configured
from benchmarks.runs.variants import Variant
from benchmarks.stack import Stack
from server.settings import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DEMO = ROOT / "models" / "demo"


def test_batching_measures_all_three_ways_on_one_engine(tmp_path: Path, chat_model: Path) -> None:
    prompts = PromptOptions(endpoint="completions", input_tokens=32)
    options = BatchingOptions(model=str(chat_model), requests=16, batch=4, low=4, high=64, prompts=prompts, repeat=1)
    made = run(options, tmp_path / "result.json")
    assert made["status"] == "complete", made["note"]
    assert made["provenance"]["server"]["engine"].startswith("vllm ")
    rows = {(row["load"], row["mode"]): row for row in made["tables"][0]["rows"]}
    assert len(rows) == 6
    assert all(row["failed"] == 0 for row in rows.values())
    # With all requests there, the room of a batch is left empty until its longest answer is done, unless others may join.
    assert rows["all at once", "continuous"]["decoding"] > rows["all at once", "static"]["decoding"]
    assert all(level["requests"][0]["output"] == level["requests"][0]["limit"] for level in made["levels"])


def test_acceptance_is_counted_by_the_engine_and_shown_on_the_gateways_metrics_under_the_models_name(tmp_path: Path) -> None:
    model, config = configured(None, Variant("draft_model", 4, str(DEMO / "draft")))
    asked = PromptOptions(dataset="jsonl", file=DEMO / QUESTIONS, shuffle=True, ignore_eos=False, output_tokens=64)
    with Stack(model, config=config, logs=tmp_path) as stack:

        async def answers() -> int:
            target = parse(stack.url)  # through the gateway, as clients ask
            requests = await build(asked, await find(target, stack.model, DEMO), stack.model, 24, 0)
            level = await run_level(target, requests, Load("closed", concurrency=4, requests=24), seed=0, timeout=60)
            assert not [record.error for record in level.records if record.error]
            return sum(record.completion_tokens or 0 for record in level.records)

        before = stack.metrics()
        tokens = asyncio.run(answers())
        found = between(before, stack.metrics())
        assert found is not None
        assert found.drafted == 4 * found.drafts  # each draft proposes four
        assert found.accepted == sum(found.by_position)
        assert found.length is not None
        assert found.length > 2, found
        assert tokens >= found.accepted
        with urllib.request.urlopen(f"{stack.url}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    for name in ("num_drafts", "num_draft_tokens", "num_accepted_tokens"):
        shown = re.findall(rf'^vllm:spec_decode_{name}_total{{model="{model}"[^}}]*}} (\S+)$', text, re.MULTILINE)
        assert len(shown) == 1, text
        assert float(shown[0]) > 0
    # The engine's own warm-up request may have drafted before the first reading.
    assert float(shown[0]) >= found.accepted
