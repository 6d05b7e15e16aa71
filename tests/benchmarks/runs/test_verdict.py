import pytest

from benchmarks.runs.verdict import speed_up, verdict

NONE = {1: [100.0, 102.0, 98.0], 16: [1000.0, 990.0, 1010.0]}


def times(factor_at_1: float, factor_at_16: float) -> dict[int, list[float]]:
    return {1: [v * factor_at_1 for v in NONE[1]], 16: [v * factor_at_16 for v in NONE[16]]}


def test_a_speed_up_is_of_medians_and_its_range_of_the_extremes():
    found = speed_up([150.0, 160.0, 140.0], [100.0, 110.0, 90.0])
    assert found is not None
    assert (found.median, found.low, found.high) == (1.5, pytest.approx(140 / 110), pytest.approx(160 / 90))
    assert found.faster


def test_a_difference_within_the_noise_is_neither_faster_nor_slower():
    found = speed_up([105.0, 99.0], [100.0, 102.0])
    assert found is not None
    assert not found.faster
    assert not found.slower


def test_rounds_without_tokens_give_no_speed_up():
    assert speed_up([0.0], [100.0]) is None
    assert speed_up([100.0], []) is None


def test_the_highest_mean_over_the_batch_sizes_is_the_best():
    found = verdict({"ngram 4": times(2.0, 0.9), "draft_model 4": times(1.6, 1.5)}, NONE)
    assert found.best == "draft_model 4"
    assert found.overall == pytest.approx((1.6 * 1.5) ** 0.5)


def test_where_it_is_slower_is_told():
    found = verdict({"ngram 4": times(2.0, 0.8)}, NONE)
    assert found.best == "ngram 4"
    assert "at 16 it is slower than none" in found.why


def test_where_the_difference_is_noise_is_told():
    assert "at 16 the difference is within the noise" in verdict({"ngram 4": times(2.0, 1.005)}, NONE).why


def test_slower_everywhere_means_leave_it_off():
    found = verdict({"ngram 4": times(0.7, 0.6)}, NONE)
    assert found.best is None
    assert found.why.startswith("no speculation is faster here: leave it off")
    assert "ngram 4: 0.65 times" in found.why


def test_a_gain_that_is_only_noise_means_leave_it_off():
    assert verdict({"ngram 4": times(1.01, 1.01)}, NONE).best is None


def test_a_variant_that_was_not_measured_at_every_batch_size_is_not_the_best():
    assert verdict({"ngram 4": {1: [500.0]}, "draft_model 4": times(1.5, 1.5)}, NONE).best == "draft_model 4"


def test_nothing_measured_means_leave_it_off():
    assert verdict({}, NONE).why == "nothing was measured with speculation: leave it off"
