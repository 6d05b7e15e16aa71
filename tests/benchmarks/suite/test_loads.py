"""The suite's loads: how many requests, which prompts, what happens when the time is over."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchError
from benchmarks.loadgen.records import Level, Load
from benchmarks.suite import loads
from benchmarks.suite.loads import Lengths, Loader, prompts, requests_for
from benchmarks.suite.steps import Context
from tests.benchmarks import sample_levels

URL = "http://127.0.0.1:1"
SHORT = Lengths(16, 32)


@pytest.mark.parametrize(
    ("concurrency", "output", "per_token", "expected"),
    [
        (1, 128, 0.005, 8),  # 0.64 s a wave: as many as are ever sent
        (64, 128, 0.02, 192),  # 2.56 s a wave: three waves in 8 s
        (256, 1024, 0.02, 256),  # 20 s a wave: one
        (1, 1024, 0.05, 4),  # 51 s each: still four, of which the cap cuts
        (8, 128, 0.0, 64),  # nothing known yet
    ],
)
def test_requests_are_as_many_waves_as_fit(concurrency: int, output: int, per_token: float, expected: int) -> None:
    assert requests_for(concurrency, output, per_token, 8.0) == expected


def test_no_two_prompts_begin_alike_and_a_seed_gives_them_again() -> None:
    made = prompts("m", SHORT, 20, 2048, seed=1)
    ids = [json.loads(request.body)["prompt"] for request in made]
    assert len({tuple(prompt[:4]) for prompt in ids}) == 20
    assert {len(prompt) for prompt in ids} == {16}
    assert 3 <= min(map(min, ids)) <= max(map(max, ids)) < 2048
    assert made == prompts("m", SHORT, 20, 2048, seed=1)
    assert made != prompts("m", SHORT, 20, 2048, seed=2)


def test_an_answer_has_its_full_length() -> None:
    body = json.loads(prompts("m", SHORT, 1, 2048, 0)[0].body)
    assert (body["max_tokens"], body["ignore_eos"], body["stream_options"]) == (32, True, {"include_usage": True})


class Server:
    """Stands for run_level: simulated levels, and what was asked for."""

    def __init__(self, **how: Any):
        self.how, self.loads = how, list[Load]()

    async def __call__(self, target: Any, asked: Any, load: Load, *, seed: int, timeout: float, stop: asyncio.Event) -> Level:
        self.loads.append(load)
        return sample_levels.level(load, seed=seed, input_tokens=16, output_tokens=32, **self.how)


def loader(folder: Path, left: float = 100.0, kv_tokens: int | None = None) -> Loader:
    return Loader(Context(folder, "cell", time.monotonic() + left), "m", 2048, 8.0, kv_tokens)


def test_a_level_is_kept_with_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "run_level", Server())
    mine = loader(tmp_path)
    asyncio.run(mine.level(URL, SHORT, 8, part="load"))
    (kept,) = mine.keep()
    assert (kept["part"], kept["lengths"], kept["load"]["concurrency"]) == ("load", "16/32", 8)
    assert "requests" not in kept
    with gzip.open(tmp_path / "raw/cell.json.gz", "rt") as file:
        assert len(json.load(file)[0]["requests"]) == kept["summary"]["requests"]["sent"]


def test_one_level_tells_the_next_how_fast_tokens_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(token=1.0)
    monkeypatch.setattr(loads, "run_level", server)
    mine = loader(tmp_path)
    for _ in range(2):
        asyncio.run(mine.level(URL, SHORT, 8))
    assert [load.requests for load in server.loads] == [64, 8]


def test_what_does_not_fit_into_the_cache_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "run_level", Server())
    mine = loader(tmp_path, kv_tokens=10_000)
    assert asyncio.run(mine.level(URL, SHORT, 1024)) is None
    assert mine.skipped == [
        {"lengths": "16/32", "concurrency": 1024, "why": "does not fit: 49,152 tokens of KV cache, and the engine has 10,000"}
    ]


def test_when_the_steps_time_is_over_no_level_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "run_level", Server())
    mine = loader(tmp_path, left=1.0)
    assert asyncio.run(mine.level(URL, SHORT, 8)) is None
    assert [skip["why"] for skip in mine.skipped] == ["the step's time was over"]


def test_the_deadline_cuts_off_the_running_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(target: Any, asked: Any, load: Load, *, seed: int, timeout: float, stop: asyncio.Event) -> Level:
        await stop.wait()
        return sample_levels.level(load, partial="interrupted")

    monkeypatch.setattr(loads, "run_level", endless)
    monkeypatch.setattr(loads, "LEAST_LEFT", 0.0)
    entry = asyncio.run(loader(tmp_path, left=0.2).level(URL, SHORT, 8))
    assert entry is not None
    assert entry["partial"] == "interrupted"


def test_an_engine_that_answers_nothing_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "run_level", Server(failed=1.0))
    with pytest.raises(BenchError, match="the engine answered none of 2 requests: status 503"):
        asyncio.run(loader(tmp_path).warm_up(URL, SHORT, 8))
