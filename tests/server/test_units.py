"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.units import seconds, show_seconds, show_size, size


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 0.5), ("30s", 30), (" 5 m ", 300), ("24h", 86400), ("7d", 604800), ("1.5s", 1.5), (2, 2), (0.5, 0.5)]
)
def test_a_duration_reads_as_seconds(text: object, value: float):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "30", "s", "3 weeks", "-5s", -1, True, None, "1h30m", [], float("inf"), float("nan")])
def test_what_is_no_duration_is_an_error_that_shows_how_to_write_one(text: object):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1GiB", 2**30), ("512 MiB", 2**29), ("1.5KiB", 1536), ("2GB", 2 * 10**9), ("10B", 10), (4096, 4096)]
)
def test_a_size_reads_as_bytes(text: object, value: int):
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "1", "1G", "1gib", "iB", -1, True, None, 1.5, "1TB"])
def test_what_is_no_size_is_an_error_that_shows_how_to_write_one(text: object):
    with pytest.raises(ValueError, match="is not a size"):
        size(text)


@given(st.integers(0, 10**9))
def test_a_shown_duration_reads_back_the_same(milliseconds: int):
    assert seconds(show_seconds(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(0, 2**50))
def test_a_shown_size_reads_back_the_same(amount: int):
    assert size(show_size(amount)) == amount


@pytest.mark.parametrize(("value", "text"), [(120.0, "2m"), (90.0, "90s"), (0.5, "500ms"), (0.0, "0s"), (86400.0, "1d")])
def test_a_duration_shows_in_the_largest_unit_that_divides_it(value: float, text: str):
    assert show_seconds(value) == text
