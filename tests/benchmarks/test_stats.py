import pytest

from benchmarks.stats import percentile, ratios, spread


@pytest.mark.parametrize(("percent", "value"), [(50, 3), (99, 5), (100, 5), (20, 1), (20.1, 2)])
def test_a_percentile_is_the_nearest_rank(percent, value):
    assert percentile([5, 1, 4, 2, 3], percent) == value


def test_a_percentile_of_one_sample_is_that_sample():
    assert percentile([7], 50) == 7


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_a_percentile_without_samples_or_out_of_range_is_refused(samples, percent):
    with pytest.raises(ValueError, match="percent"):
        percentile(samples, percent)


def test_a_spread_holds_median_low_and_high():
    figure = spread([4, 1, 3, 2])
    assert (figure.median, figure.low, figure.high) == (2.5, 1, 4)


def test_a_spread_of_no_rounds_is_refused():
    with pytest.raises(ValueError, match="no rounds"):
        spread([])


def test_ratios_are_taken_round_by_round():
    assert ratios([10, 30], [20, 10]) == [0.5, 3.0]


def test_ratios_of_unequal_rounds_are_refused():
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])
