"""Each figure against a value worked out by hand and against a plain computation over whole distributions."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.evaluation import metrics
from quantize.evaluation.positions import Positions
from tests.quantize.evaluation.made import distribution, positions


def two(seed: int, noise: float = 0.5, places: int = 40, vocabulary: int = 60, listed: int = 50):
    draw = random.Random(seed)
    theirs = [distribution(draw, vocabulary) for _ in range(places)]
    mine = [distribution(draw, near=d, noise=noise) for d in theirs]
    tokens = [draw.randrange(vocabulary) for _ in range(places)]
    return mine, theirs, positions(mine, tokens, listed=listed), positions(theirs, tokens, listed=listed)


def test_perplexity_of_a_fair_coin_is_two():
    said = Positions.build([4], [0, 1, 1, 0], [math.log(0.5)] * 4, [[(0, math.log(0.5)), (1, math.log(0.5))]] * 4, 5)
    assert metrics.perplexity(said) == pytest.approx(2.0)


def test_perplexity_is_the_geometric_mean_of_inverse_probabilities():
    said = Positions.build([3], [7, 8, 9], [math.log(p) for p in (0.5, 0.25, 0.125)], [[], [], []], 5)
    assert metrics.perplexity(said) == pytest.approx((2 * 4 * 8) ** (1 / 3), rel=1e-6)


def test_a_broken_models_perplexity_is_a_number_still():
    assert math.isfinite(metrics.perplexity(Positions.build([1], [0], [-9999.0], [[]], 1)))


def test_differences_are_absolute_and_of_the_token_that_stands_there():
    mine = Positions.build([2], [1, 2], [-1.0, -3.0], [[], []], 5)
    theirs = Positions.build([2], [1, 2], [-1.5, -2.0], [[], []], 5)
    assert metrics.differences(mine, theirs) == [0.5, 1.0]


def test_kl_of_two_coins_by_hand():
    # p = (3/4, 1/4), q = (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)
    theirs = Positions.build([1], [0], [math.log(0.75)], [[(0, math.log(0.75)), (1, math.log(0.25))]], 5)
    mine = Positions.build([1], [0], [math.log(0.5)], [[(0, math.log(0.5)), (1, math.log(0.5))]], 5)
    assert metrics.kl_divergence(mine, theirs) == [pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-5)]


def test_kl_puts_what_the_model_did_not_list_into_the_rest_on_both_sides():
    # Baseline: a 0.5, b 0.3, rest 0.2. The model lists a 0.4 only: KL over (a, not a) = 0.5 ln(5/4) + 0.5 ln(5/6).
    theirs = Positions.build([1], [0], [math.log(0.5)], [[(0, math.log(0.5)), (1, math.log(0.3))]], 5)
    mine = Positions.build([1], [0], [math.log(0.4)], [[(0, math.log(0.4))]], 5)
    assert metrics.kl_divergence(mine, theirs) == [pytest.approx(0.5 * math.log(5 / 4) + 0.5 * math.log(5 / 6), abs=1e-6)]


@pytest.mark.parametrize("listed", [50, 25])
def test_kl_is_that_of_the_merged_distributions(listed):
    mine, theirs, said, base = two(1, listed=listed)
    for place, (q, p) in enumerate(zip(mine, theirs, strict=True)):
        first = sorted(range(60), key=lambda t: -p[t])[:20]
        known = set(sorted(range(60), key=lambda t: -q[t])[:listed])
        kept = [t for t in first if t in known]
        pairs = [(p[t], q[t]) for t in kept] + [(1 - sum(p[t] for t in kept), 1 - sum(q[t] for t in kept))]
        expected = sum(a * math.log(a / b) for a, b in pairs)
        assert metrics.kl_divergence(said, base)[place] == pytest.approx(expected, abs=2e-5)


@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_kl_is_never_above_that_of_the_whole_vocabulary_nor_below_zero(seed, noise):
    mine, theirs, said, base = two(seed, noise, places=3)
    for place, found in enumerate(metrics.kl_divergence(said, base)):
        whole = sum(p * math.log(p / q) for p, q in zip(theirs[place], mine[place], strict=True))
        assert -1e-12 <= found <= whole + 5e-5  # float32, and the least rest


def test_a_model_does_not_differ_from_itself():
    _, _, _, base = two(2)
    assert set(metrics.differences(base, base)) == {0.0}
    assert set(metrics.kl_divergence(base, base)) == {0.0}
    assert metrics.agreement(base, base) == 1.0


def test_agreement_counts_positions_with_the_same_first_token():
    mine, theirs, said, base = two(3, noise=2.0)
    same = sum(q.index(max(q)) == p.index(max(p)) for q, p in zip(mine, theirs, strict=True))
    assert 0 < same < len(mine)
    assert metrics.agreement(said, base) == same / len(mine)


def test_agreement_does_not_depend_on_the_order_of_equal_probabilities():
    theirs = Positions.build([1], [0], [-0.7], [[(0, -0.7), (1, -0.7)]], 5)
    mine = Positions.build([1], [0], [-0.7], [[(1, -0.7), (0, -0.7)]], 5)
    assert metrics.agreement(mine, theirs) == 1.0


def test_the_interval_holds_the_mean_and_narrows_with_more_texts():
    draw = random.Random(4)
    values = [draw.expovariate(1) for _ in range(4000)]
    low, high = metrics.interval(values[:400], [10] * 40)
    assert low < metrics.mean(values[:400]) < high
    lower, higher = metrics.interval(values, [10] * 400)
    assert higher - lower < (high - low) / 2


def test_the_interval_is_about_the_textbook_one():
    draw = random.Random(5)
    values = [draw.gauss(0, 1) for _ in range(900)]  # independent: half-width 1.96 / sqrt(900) = 0.065
    low, high = metrics.interval(values, [1] * 900)
    assert (high - low) / 2 == pytest.approx(0.065, abs=0.008)


def test_the_interval_is_drawn_by_the_seed():
    values = [float(n % 7) for n in range(100)]
    assert metrics.interval(values, [10] * 10, 1) == metrics.interval(values, [10] * 10, 1)
    assert metrics.interval(values, [10] * 10, 1) != metrics.interval(values, [10] * 10, 2)


def test_texts_that_all_say_the_same_leave_no_doubt():
    assert metrics.interval([0.5] * 30, [10, 10, 10]) == (0.5, 0.5)


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.5, 2.5), (1, 4), (0.95, 3.85)])
def test_a_quantile_lies_between_its_neighbours(share, expected):
    assert metrics.quantile([1, 2, 3, 4], share) == pytest.approx(expected)
