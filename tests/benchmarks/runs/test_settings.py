import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.runs.settings import bounds, numbers


def test_numbers_are_taken_once_each_in_their_order():
    assert numbers("4, 1,4,16", "--batch") == (4, 1, 16)


@pytest.mark.parametrize("text", ["", "1,x", "0", "-1", "1.5"])
def test_what_is_no_list_of_numbers_names_its_flag(text):
    with pytest.raises(BenchUsageError, match=f"--batch {text}: write whole numbers"):
        numbers(text, "--batch")


def test_bounds_are_two_numbers_or_one_that_is_both():
    assert bounds("16:256", "--output-tokens") == (16, 256)
    assert bounds("64", "--output-tokens") == (64, 64)


@pytest.mark.parametrize("text", ["", "1:2:3", "a:b", "0:5", ":5"])
def test_what_are_no_bounds_names_its_flag(text):
    with pytest.raises(BenchUsageError, match=f"--output-tokens {text}: write the least and the most"):
        bounds(text, "--output-tokens")
