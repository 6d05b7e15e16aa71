import math
import random

import pytest

from server.cache.semantic.bound import ALPHA, audits_needed, upper_bound


def test_without_audits_everything_may_be_wrong():
    assert upper_bound(0, 0) == 1.0


def test_all_wrong_stays_one():
    assert upper_bound(7, 7) == 1.0


def test_more_right_audits_lower_the_bound():
    bounds = [upper_bound(n, 1) for n in (1, 10, 100, 1000, 10_000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 0.001


def test_more_wrong_audits_raise_it():
    bounds = [upper_bound(500, wrong) for wrong in range(20)]
    assert bounds == sorted(bounds)


def test_it_is_above_the_share_that_was_seen():
    assert all(upper_bound(n, n // 50) > (n // 50) / n for n in (50, 500, 5000, 50_000))


@pytest.mark.parametrize("limit", [0.5, 0.1, 0.01, 0.001])
def test_audits_needed_is_the_fewest(limit):
    needed = audits_needed(limit)
    assert upper_bound(needed, 0) <= limit < upper_bound(needed - 1, 0)


def test_one_percent_needs_less_than_a_fifth_more_than_clopper_pearson():
    assert 299 < audits_needed(0.01) < 299 * 1.2


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_looked_at_after_every_audit_it_is_below_the_truth_at_most_one_time_in_twenty(rate):
    chance = random.Random(7)
    broken = 0
    runs = 200
    for _ in range(runs):
        wrong = 0
        for n in range(1, 600):
            wrong += chance.random() < rate
            if upper_bound(n, wrong) < rate:
                broken += 1
                break
    assert broken / runs <= ALPHA + 0.03  # two standard deviations of 200 runs


def clopper_pearson(audits, wrong):
    """The one-sided 95% bound for a number of audits that was fixed before: the rate at which so few wrong ones are a 5% chance."""
    low, high = wrong / audits, 1.0
    for _ in range(30):
        rate = (low + high) / 2
        chance = sum(math.comb(audits, k) * rate**k * (1 - rate) ** (audits - k) for k in range(wrong + 1))
        low, high = (rate, high) if chance > ALPHA else (low, rate)
    return high


def test_clopper_pearson_looked_at_after_every_audit_does_not_hold():
    """Why the bound is not the textbook's."""
    chance = random.Random(7)
    known = {}
    broken = 0
    for _ in range(100):
        wrong = 0
        for n in range(1, 300):
            wrong += chance.random() < 0.1
            if (n, wrong) not in known:
                known[n, wrong] = clopper_pearson(n, wrong) if wrong < n else 1.0
            if known[n, wrong] < 0.1:
                broken += 1
                break
    assert broken / 100 > 2 * ALPHA


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError):
        upper_bound(3, 4)
