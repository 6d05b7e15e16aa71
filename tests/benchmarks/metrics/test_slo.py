from __future__ import annotations

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Record
from benchmarks.metrics.slo import SLO, goodput, missed, parse


def answer(ttft: float, tpot: float, tokens: int = 11) -> Record:
    record = Record(0, sent=0.0, completion_tokens=tokens)
    record.times = [ttft + tpot * number for number in range(tokens)]
    return record


def test_limits_are_read_in_all_units() -> None:
    assert parse("ttft=200ms, tpot=50000us ,e2e=2s") == SLO(pytest.approx(0.2), pytest.approx(0.05), 2.0)
    assert parse("e2e=0.5min") == SLO(e2e=30.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ttfb=2s", "no limit named 'ttfb': use ttft, tpot, e2e"),
        ("ttft=2h", "unknown unit 'h': use us, ms, s, min"),
        ("ttft=200", "has no unit"),
        ("ttft=-1ms", "must be above 0"),
        ("ttft=0s", "must be above 0"),
        ("ttft=1e999s", "must be above 0"),
        ("ttft=1s,ttft=2s", "ttft is given twice"),
        ("ttft=fast", "is not a time"),
        ("ttft", "is not NAME=TIME"),
        ("", "is not NAME=TIME"),
        ("ttft=1s,", "is not NAME=TIME"),
    ],
)
def test_a_wrong_limit_is_told_in_words(text: str, says: str) -> None:
    with pytest.raises(BenchUsageError, match=says):
        parse(text)


def test_a_limit_is_met_when_the_figure_is_equal() -> None:
    record = answer(0.25, 0.0625)
    assert missed(record, SLO(0.25, 0.0625, 0.875)) == []
    assert missed(record, SLO(0.2499, 0.0624, 0.8749)) == ["ttft", "tpot", "e2e"]


def test_one_token_has_a_tpot_of_0_for_goodput() -> None:
    assert missed(answer(0.1, 0.0, tokens=1), SLO(tpot=1e-6)) == []


def test_an_answer_without_events_misses_what_cannot_be_measured() -> None:
    assert missed(Record(0), SLO(ttft=1.0, e2e=1.0)) == ["ttft", "e2e"]


def test_goodput_needs_all_limits_together_and_counts_each_miss() -> None:
    slow_start, slow_tokens, both, good, failed = (
        answer(0.3, 0.01),
        answer(0.1, 0.09),
        answer(0.3, 0.09),
        answer(0.1, 0.01),
        answer(0.1, 0.01),
    )
    failed.error = "status 503"
    found = goodput([slow_start, slow_tokens, both, good, failed], 2.0, SLO(ttft=0.2, tpot=0.05))
    assert found["requests_per_second"] == 0.5
    assert (found["good"], found["share"]) == (1, 0.2)
    assert found["missed"] == {"ttft": 2, "tpot": 2, "e2e": 0}
    assert found["slo"] == {"ttft": 0.2, "tpot": 0.05, "e2e": None}


def test_goodput_of_nothing_is_0() -> None:
    assert goodput([], 0.0, SLO(ttft=1.0))["requests_per_second"] == 0.0
