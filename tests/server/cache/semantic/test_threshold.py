import random

import pytest

from server.cache.semantic.threshold import BIN, Curve, bin_of, calibrated, entry_prior, explore, fit

LIMIT = 0.01


def new_entry(threshold=0.9):
    return entry_prior(calibrated(threshold, LIMIT))


def test_at_the_calibrated_threshold_a_new_entry_is_served_without_exploring():
    assert explore(new_entry().wrong(0.9 + 1e-9), LIMIT) == 0.0


def test_below_it_exploring_grows():
    shares = [explore(new_entry().wrong(s), LIMIT) for s in (0.89, 0.87, 0.85, 0.8)]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] > 0.9


def test_what_is_wrong_more_often_than_the_limit_is_never_served():
    assert explore(LIMIT * 1.001, LIMIT) == 1.0
    assert explore(1.0, LIMIT) == 1.0


def test_below_the_limit_exploring_keeps_the_expected_error_at_half_of_it():
    for wrong in (0.0, 0.002, 0.005, 0.007, 0.01):
        assert (1 - explore(wrong, LIMIT)) * wrong <= LIMIT / 2 + 1e-12
    assert explore(0.005, LIMIT) == 0.0
    assert explore(0.008, LIMIT) == pytest.approx(0.375)


def test_a_wrong_answer_makes_its_entry_careful():
    after = fit(new_entry(), {bin_of(0.93): (0, 1)})
    assert explore(new_entry().wrong(0.93), LIMIT) == 0
    assert explore(after.wrong(0.93), LIMIT) > 0.8


def test_right_answers_below_the_threshold_lower_it():
    partition = fit(calibrated(0.9, LIMIT), {bin_of(s / 100): (50, 0) for s in range(80, 90)})
    assert explore(new_entry().wrong(0.87), LIMIT) > 0.3
    assert explore(entry_prior(partition).wrong(0.87), LIMIT) == 0


def test_wrong_answers_anywhere_in_the_partition_make_new_entries_careful():
    partition = fit(calibrated(0.9, LIMIT), {bin_of(0.95): (50, 10)})
    assert explore(entry_prior(partition).wrong(0.95), LIMIT) > 0.8


def test_without_a_threshold_nothing_is_served_before_it_was_observed():
    curve = calibrated(None, LIMIT)
    assert explore(entry_prior(curve).wrong(0.97), LIMIT) > 0.9
    learnt = fit(curve, {bin_of(0.95): (1000, 0)})
    assert explore(entry_prior(learnt).wrong(0.97), LIMIT) == 0


def test_the_fit_finds_the_curve_that_the_observations_come_from():
    chance = random.Random(3)
    truth = Curve(0.8, 1.0, 1.5, 0, 0, 0)
    observed: dict[int, tuple[int, int]] = {}
    for _ in range(20_000):
        similarity = 0.6 + 0.4 * chance.random()
        index = bin_of(similarity)
        right, wrong = observed.get(index, (0, 0))
        is_wrong = chance.random() < truth.wrong(index * BIN)
        observed[index] = (right + (not is_wrong), wrong + is_wrong)
    found = fit(Curve(0.8, 0.0, 1.0, 100.0, 0.0, 100.0), observed)
    assert found.height == pytest.approx(1.0, abs=0.1)
    assert found.slope == pytest.approx(1.5, abs=0.1)
    assert found.height_variance < 0.01


def test_nothing_observed_leaves_the_prior():
    assert fit(new_entry(), {}) == new_entry()


def test_separable_and_extreme_observations_do_not_break_the_fit():
    for observed in ({100: (10**6, 0)}, {100: (0, 10**6)}, {-100: (0, 1), 100: (1, 0)}, {bin_of(0.9): (10**6, 10**6)}):
        curve = fit(new_entry(), observed)
        assert all(0 <= curve.wrong(s) <= 1 for s in (-1, 0, 0.5, 0.9, 1))


def test_bins_round_down():
    assert bin_of(0.9399) == 93
    assert bin_of(0.94) == 94
    assert bin_of(0.29 + 0.65) == 94  # 0.94 but for the last bit
    assert bin_of(1.0) == 100
