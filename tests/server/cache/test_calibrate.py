"""Calibration: the bound, the threshold, the halves, what a log is read as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sllm
from server.cache.calibrate import CalibrationError, Pair, calibrate, clopper_pearson, lowest, outcome, read_rows
from server.cache.replay import scored


@pytest.mark.parametrize(
    ("wrong", "of", "bound"),
    # 1 - 0.05 ** (1 / n) for none wrong; the others from the beta distribution's 95% quantile at (wrong + 1, of - wrong)
    [(0, 299, 0.009969), (0, 100, 0.029513), (1, 10, 0.394163), (5, 100, 0.102253), (10, 10, 1.0), (0, 1, 0.95)],
)
def test_the_bound_is_clopper_and_pearsons(wrong: int, of: int, bound: float):
    assert clopper_pearson(wrong, of) == pytest.approx(bound, abs=2e-5)


def test_the_bound_of_very_many_trials_is_close_above_the_rate():
    assert 0.01 < clopper_pearson(10_000, 1_000_000) < 0.0102


def pairs(*rows: tuple[float, bool]) -> list[Pair]:
    return [Pair(f"a{i}", f"b{i}", same, score=score) for i, (score, same) in enumerate(rows)]


def test_the_outcome_counts_hits_at_or_above_the_threshold_that_no_gate_refuses():
    some = [*pairs((0.9, True), (0.8, True), (0.7, True), (0.85, False)), Pair("a", "b", False, score=0.95, refused={"numbers": "why"})]
    found = outcome(some, 0.8)
    assert (found.hits, found.false_hits, found.hit_rate, found.false_hit_rate) == (3, 1, 2 / 3, 1 / 3)
    assert outcome(some, 0.8, gated=False).false_hits == 2


def test_the_threshold_counts_one_more_false_hit_than_was_seen():
    assert lowest(pairs(*[(0.9, True)] * 98), 0.01) is None
    assert lowest(pairs(*[(0.9, True)] * 99), 0.01) == 0.0
    assert lowest(pairs(*[(0.9, True)] * 99, (0.5, False)), 0.01) == 0.51


def test_the_threshold_by_the_bound_needs_299_hits_for_one_percent():
    assert lowest(pairs(*[(0.9, True)] * 298), 0.01, bound=True) is None
    assert lowest(pairs(*[(0.9, True)] * 299), 0.01, bound=True) == 0.0


def test_a_half_without_both_kinds_is_a_sentence():
    with pytest.raises(CalibrationError, match="add more of both"):
        calibrate(pairs((0.9, True)), 0.01, "x")


async def no_embedder(texts: object) -> list[object]:
    assert not texts
    return []


async def test_a_labelled_pair_may_bring_its_score(tmp_path: Path):
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"a": "Name 3 rivers", "b": "Name 4 rivers", "same": false, "score": 0.9}\n')
    (pair,) = await scored(file, no_embedder)
    assert pair.score == 0.9
    assert "numbers" in pair.refused


class Lengths:
    """Scores by length, so that a test says which question is near which."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __matmul__(self, other: Lengths) -> float:
        return 1 - abs(self.length - other.length) / 100


async def by_length(texts: object) -> list[object]:
    return [Lengths(len(text)) for text in texts]  # type: ignore[attr-defined]


def log(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


async def test_a_log_is_replayed_in_order_and_judged_by_its_answers(tmp_path: Path):
    file = tmp_path / "log.jsonl"
    file.write_text(
        log({"question": "aaaa", "answer": "Yes"}, {"question": "bbbbb", "answer": " yes "}, {"question": "cccccc", "answer": "no"})
    )
    found = [(p.a, p.b, p.same) for p in await scored(file, by_length)]
    assert found == [("bbbbb", "aaaa", True), ("cccccc", "bbbbb", False)]


async def test_a_log_never_pairs_requests_that_differ_in_more_than_the_last_text(tmp_path: Path):
    def row(system: str, text: str) -> dict[str, object]:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        return {"request": {"model": "m", "messages": messages}, "response": {"choices": [{"message": {"content": "x"}}]}}

    file = tmp_path / "log.jsonl"
    file.write_text(log(row("pirate", "one"), row("poet", "two"), row("pirate", "three")))
    assert [(p.a, p.b) for p in await scored(file, by_length)] == [("three", "one")]


@pytest.mark.parametrize(
    "line",
    ["not json", "[1]", '{"a": 1, "b": "x", "same": true}', '{"question": 5}', '{"a": "x", "b": "y", "same": true, "score": "high"}'],
)
async def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str):
    file = tmp_path / "log.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(CalibrationError, match=r"log\.jsonl, (line|row) 1"):
        await scored(file, by_length)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl")


def test_the_command_prints_json_and_draws_the_plot(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    pytest.importorskip("numpy")
    assert sllm.main(["cache", "calibrate", "ko", "--embedder", "ngram", "--plot", str(tmp_path / "plot.svg"), "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["pairs"] >= 1000
    assert {row["gate"] for row in figures["gates"]} >= {"numbers", "negation", "polarity", "content"}
    assert figures["held_out"]["passed_rate"] <= 0.02
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_the_command_names_a_file_that_is_not_there(capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["cache", "calibrate", "nowhere.jsonl"]) == 1
    assert "nowhere.jsonl cannot be read" in capfd.readouterr().err
