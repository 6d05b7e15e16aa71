from __future__ import annotations

import pytest

from benchmarks.metrics import percentiles


def test_percentiles_lie_between_samples_as_numpys_do() -> None:
    assert percentiles.interpolated([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    assert percentiles.interpolated([1.0, 2.0, 3.0, 4.0], 90) == pytest.approx(3.7)
    assert percentiles.interpolated([5.0], 99) == 5.0


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_a_percentile_of_nothing_or_out_of_range_is_an_error(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentiles.interpolated(samples, percent)


def test_a_distribution_is_in_milliseconds_and_says_of_how_many() -> None:
    found = percentiles.distribution([0.001, 0.003])
    assert found == {"n": 2, "mean": 2.0, "std": 1.0, "min": 1.0, "p50": 2.0, "p90": 2.8, "p95": 2.9, "p99": 2.98, "max": 3.0}


def test_no_samples_make_no_distribution() -> None:
    assert percentiles.distribution([]) is None
    assert percentiles.weighted([], []) is None
    assert percentiles.weighted([0.1], [0.0]) is None


def test_a_weighted_percentile_is_the_first_sample_whose_weight_reaches_it() -> None:
    found = percentiles.weighted([0.003, 0.001, 0.002], [1, 5, 4])
    assert found is not None
    assert (found["p50"], found["p90"], found["p95"], found["p99"]) == (1.0, 2.0, 3.0, 3.0)
    assert found["mean"] == pytest.approx(1.6)
    assert (found["n"], found["weight"]) == (3, 10)


def test_rounding_does_not_push_a_weighted_percentile_to_the_next_sample() -> None:
    found = percentiles.weighted([value / 1000 for value in range(1, 101)], [1.0] * 100)
    assert found is not None
    assert (found["p50"], found["p90"], found["p99"]) == (50.0, 90.0, 99.0)
