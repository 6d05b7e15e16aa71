from __future__ import annotations

import math
import random

import pytest

from benchmarks.metrics import noise
from benchmarks.metrics.percentiles import interpolated


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (10, 2.2281), (30, 2.0423), (120, 1.9799)])
def test_students_t_is_that_of_the_tables(freedom: float, t: float) -> None:
    assert noise.student(freedom) == pytest.approx(t, abs=1e-4)


def test_students_t_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="degree"):
        noise.student(0.5)


def test_the_interval_of_pairs_is_students_on_the_logarithms() -> None:
    found = noise.over_rounds([1.0, 1.0, 1.0], [1.1, 1.2, 1.3], higher_is_better=True, paired=True)
    gaps = [math.log(1.1), math.log(1.2), math.log(1.3)]
    mean = sum(gaps) / 3
    half = 4.302653 * math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 2 / 3)
    assert found.ratio == pytest.approx(math.exp(mean))
    assert found.interval == pytest.approx((math.exp(mean - half), math.exp(mean + half)), rel=1e-6)
    assert found.word == "within noise"


def test_pairs_take_out_what_both_sides_share() -> None:
    slow = [1.0, 0.7, 1.2, 0.9]
    a, b = [100 * s for s in slow], [110 * s * wobble for s, wobble in zip(slow, (1.0, 1.01, 0.99, 1.0), strict=True)]
    assert noise.over_rounds(a, b, higher_is_better=True, paired=True).word == "better"
    assert noise.over_rounds(a, b, higher_is_better=True, paired=False).word == "within noise"


@pytest.mark.parametrize(("higher", "word"), [(True, "better"), (False, "worse")])
def test_more_is_better_or_worse_by_what_it_is(higher: bool, word: str) -> None:
    assert noise.over_rounds([100, 101, 99], [120, 121, 119], higher_is_better=higher, paired=True).word == word


def test_a_difference_below_the_least_is_none_however_sure() -> None:
    found = noise.over_rounds([100.0, 100.1, 99.9], [101.0, 101.1, 100.9], higher_is_better=True, paired=True)
    assert found.interval is not None
    assert found.interval[0] > 1
    assert (found.word, found.why) == ("within noise", "differs by less than 2%")


def test_rounds_that_differ_much_say_what_they_cannot_show() -> None:
    found = noise.over_rounds([100, 100, 100], [80, 100, 120], higher_is_better=True, paired=True)
    assert found.interval is not None
    spread = math.sqrt(found.interval[1] / found.interval[0]) - 1
    assert found.why == f"noisy rounds, {spread:.0%} either way"


@pytest.mark.parametrize("paired", [True, False])
def test_about_one_in_twenty_equal_pairs_is_called_different(paired: bool) -> None:
    rng = random.Random(1)

    def rounds() -> list[float]:
        return [math.exp(rng.gauss(0, 0.05)) for _ in range(4)]

    words = [noise.over_rounds(rounds(), rounds(), higher_is_better=True, paired=paired, least=0.0).word for _ in range(600)]
    assert 0.02 < 1 - words.count("within noise") / 600 < 0.08


def test_three_pairs_cannot_go_below_a_p_of_a_quarter_and_six_rounds_dealt_in_two_below_a_tenth() -> None:
    pairs = noise.over_rounds([1, 1, 1], [2, 2.1, 2.2], higher_is_better=True, paired=True)
    dealt = noise.over_rounds([1, 1, 1], [2, 2.1, 2.2], higher_is_better=True, paired=False)
    assert (pairs.p, pairs.smallest_p) == (0.25, 0.25)
    assert (dealt.p, dealt.smallest_p) == (0.1, 0.1)


def test_many_rounds_have_no_permutation_test_but_an_interval() -> None:
    found = noise.over_rounds([1.0] * 20, [1.5, 1.6] * 10, higher_is_better=True, paired=True)
    assert found.p is None
    assert found.word == "better"


def test_one_round_each_cannot_tell_and_says_what_to_do() -> None:
    found = noise.over_rounds([100], [120], higher_is_better=True, paired=False)
    assert (found.word, found.interval) == ("cannot tell", None)
    assert found.why == "one round each: may be the machine's noise; run with --repeat 3"


def test_one_round_each_inside_the_noise_of_its_requests_is_noise() -> None:
    assert noise.few_rounds([100], [110], (0.9, 1.3)).word == "within noise"
    assert noise.few_rounds([100], [110], (1.05, 1.15)).word == "cannot tell"
    assert noise.few_rounds([100], [101], (1.005, 1.015)).word == "within noise"


def test_no_figure_on_one_side_cannot_tell() -> None:
    assert noise.over_rounds([], [1.0], higher_is_better=True, paired=False).word == "cannot tell"


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        ([0, 0, 0], [0, 0, 0], "within noise"),
        ([0, 0, 0], [1, 2, 3], "better"),
        ([1, 2, 3], [0, 0, 0], "worse"),
        ([0, 2, 0], [1, 1, 1], "cannot tell"),
        ([0], [1], "cannot tell"),
    ],
)
def test_a_goodput_of_0_has_no_ratio(a: list[float], b: list[float], word: str) -> None:
    found = noise.over_rounds(a, b, higher_is_better=True, paired=True)
    assert (found.word, found.ratio) == (word, None)


def test_rounds_without_any_spread_have_an_interval_of_one_point() -> None:
    found = noise.over_rounds([1.0] * 3, [2.0] * 3, higher_is_better=True, paired=False)
    assert found.interval == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize("percent", [50.0, 99.0])
def test_the_bootstrap_without_drawing_is_that_with_drawing(percent: float) -> None:
    rng = random.Random(3)
    a, b = [rng.expovariate(1.0) for _ in range(150)], [rng.expovariate(1.0) for _ in range(150)]
    drawn = sorted(
        interpolated(sorted(rng.choices(b, k=150)), percent) / interpolated(sorted(rng.choices(a, k=150)), percent) for _ in range(1500)
    )
    found = noise.within_round(a, b, percent)
    assert found == pytest.approx((interpolated(drawn, 2.5), interpolated(drawn, 97.5)), rel=0.15)


def test_the_bootstrap_says_the_same_twice() -> None:
    samples = [1.0, 2.0, 3.0, 4.0]
    assert noise.within_round(samples, samples, 50.0) == noise.within_round(samples, samples, 50.0)
    assert noise.within_round([], samples, 50.0) is None
