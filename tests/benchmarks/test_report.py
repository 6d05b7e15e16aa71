import pytest

from benchmarks.report import compare, summary
from benchmarks.scenarios import Measurement, Subject, order


def measured(scenario, subject, number, per_second=0.0, p50_ms=0.0, errors=None):
    return Measurement(scenario, subject, number, 100, per_second, p50_ms, 2 * p50_ms, p50_ms, 40.0, 0.9, 0.1, errors or {})


def both(scenario, **figures):
    """Rounds of ours and of the peer: figures is metric=(ours, theirs), each one value a round."""
    ((metric, (ours, theirs)),) = figures.items()
    pairs = [("ours", ours), ("peer", theirs)]
    return [measured(scenario, name, i, **{metric: v}) for name, values in pairs for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("rounds", "ratio", "met"),
    [
        (both("requests", per_second=([90, 50, 99], [100, 50, 100])), 0.99, True),
        (both("requests", per_second=([80, 85, 89], [100, 100, 100])), 0.85, False),
        (both("streams", per_second=([90], [100])), 0.9, True),
        (both("latency", p50_ms=([1.15], [1.0])), 1.15, True),
        (both("latency", p50_ms=([1.2], [1.0])), 1.2, False),
    ],
)
def test_a_goal_is_met_by_the_median_of_the_ratios(rounds, ratio, met):
    (row,) = compare(rounds, ["ours"], ["peer"])
    assert (row["ratio"], row["met"]) == (pytest.approx(ratio), met)


def test_rounds_are_paired_by_their_number_not_by_when_they_were_measured():
    rounds = both("requests", per_second=([10, 100], [10, 100]))
    (row,) = compare(rounds[::-1], ["ours"], ["peer"])
    assert (row["low"], row["high"]) == (1, 1)


def test_there_is_no_ratio_without_a_peer():
    assert compare(both("requests", per_second=([1], [1])), ["ours"], []) == []


def test_the_ratio_of_cpu_time_stands_beside_the_rate():
    (row,) = compare(both("requests", per_second=([90], [100])), ["ours"], ["peer"])
    assert row["cpu_ratio"] == 1


def test_the_summary_counts_right_and_wrong_answers():
    rounds = [
        measured("streams", "ours", 0, 10.0, errors={"lost event": 2}),
        measured("streams", "ours", 1, 20.0, errors={"status 503": 1}),
    ]
    (row,) = summary(rounds)
    assert (row["median"], row["low"], row["high"]) == (15, 10, 20)
    assert (row["requests"], row["wrong"]) == (200, 3)


def test_the_order_of_subjects_turns_around_every_round():
    subjects = [Subject(name, None) for name in "abc"]
    assert [[s.name for s in order(subjects, i)] for i in range(3)] == [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]]
