"""The figures of the offline benchmark, from runs as they come out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.batch_offline import BARE, OURS, RUN_BATCH, _summary, compare, figures, prompts


def runs(subject: str, number: int, wall: float, seconds: float | None) -> list[dict[str, Any]]:
    own = {} if seconds is None else {"seconds": seconds}
    return [
        {"subject": subject, "round": number, "prompts": 1, "wall_seconds": 30.0, "output_tokens": 64, **own},
        {"subject": subject, "round": number, "prompts": 100, "wall_seconds": wall, "output_tokens": 6464, **own},
    ]


def test_the_start_is_taken_off_by_a_run_of_one_prompt():
    (row,) = figures(runs(RUN_BATCH, 0, 40.0, None))
    assert row == {"subject": RUN_BATCH, "round": 0, "generating": None, "over all": 640.0}


def test_ratios_are_taken_within_a_round():
    rounds = [
        *runs(OURS, 0, 34.0, 4.0),
        *runs(BARE, 0, 38.0, 4.0),
        *runs(RUN_BATCH, 0, 38.0, None),
        *runs(OURS, 1, 32.0, 2.0),
        *runs(BARE, 1, 32.0, 1.0),
        *runs(RUN_BATCH, 1, 34.0, None),
    ]
    rows = {(row["peer"], row["metric"]): row for row in compare(figures(rounds))}
    assert rows[BARE, "generating"] == {
        "peer": BARE, "metric": "generating", "goal": 0.97, "ratio": 0.75, "low": 0.5, "high": 1.0, "met": False,
    }  # fmt: skip
    assert rows[RUN_BATCH, "over all"]["met"] is True
    assert rows[RUN_BATCH, "over all"]["ratio"] == 2.0
    assert (RUN_BATCH, "generating") not in rows


def test_every_prompt_is_another_question_with_an_id_of_its_own(tmp_path: Path):
    prompts(tmp_path / "in.jsonl", "demo", 500, 64)
    lines = [json.loads(line) for line in (tmp_path / "in.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({line["custom_id"] for line in lines}) == len({line["body"]["messages"][0]["content"] for line in lines}) == 500
    assert all(line["body"]["max_tokens"] == 64 and line["body"]["ignore_eos"] for line in lines)


def test_the_summary_is_found_among_what_an_engine_prints():
    assert _summary('INFO a line\n{"seconds": 2.0}\n[rank0] bye\n') == {"seconds": 2.0}
    with pytest.raises(StopIteration):
        _summary("nothing")
