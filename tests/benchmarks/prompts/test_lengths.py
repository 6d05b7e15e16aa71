from __future__ import annotations

import random

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.lengths import Length


def drawn(length: Length, count: int = 2000) -> list[int]:
    rng = random.Random(1)
    return [length.draw(rng) for _ in range(count)]


def test_a_fixed_length_is_always_the_same():
    assert set(drawn(Length(128))) == {128}


def test_a_range_reaches_both_ends_and_nothing_beyond():
    lengths = drawn(Length(100, ratio=0.1))
    assert (min(lengths), max(lengths)) == (90, 110)


def test_a_standard_deviation_is_that_of_the_lengths():
    lengths = drawn(Length(1000, std=100))
    mean = sum(lengths) / len(lengths)
    spread = (sum((n - mean) ** 2 for n in lengths) / len(lengths)) ** 0.5
    assert mean == pytest.approx(1000, abs=10)
    assert spread == pytest.approx(100, abs=10)


def test_no_length_is_below_one_or_above_the_longest():
    length = Length(2, std=50)
    lengths = drawn(length)
    assert min(lengths) == 1
    assert max(lengths) <= length.longest


@pytest.mark.parametrize(
    ("length", "flag"),
    [
        (Length(0), "--input-tokens 0"),
        (Length(8, ratio=1.0), "--input-range 1"),
        (Length(8, ratio=-0.1), "--input-range -0.1"),
        (Length(8, std=-1), "--input-std -1"),
        (Length(8, std=float("nan")), "--input-std nan"),
        (Length(8, ratio=0.1, std=1), "--input-range and --input-std"),
    ],
)
def test_an_impossible_length_names_its_flag(length: Length, flag: str):
    with pytest.raises(BenchUsageError) as caught:
        length.check("input")
    assert flag in caught.value.message
