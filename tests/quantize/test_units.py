import pytest

from quantize.units import duration, size


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (512, "512 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (25769803776, "24.0 GiB"), (5 * 2**50, "5120.0 TiB")],
)
def test_bytes_in_the_largest_unit_that_leaves_one(value: int, text: str):
    assert size(value) == text


def test_a_size_just_below_a_unit_is_shown_in_that_unit():
    assert size(2**20 - 1) == "1.0 MiB"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0s"), (0.25, "0.2s"), (42, "42s"), (59.6, "1m 00s"), (80, "1m 20s"), (5400, "1h 30m"), (90061, "25h 01m")]
)
def test_durations_as_people_read_them(value: float, text: str):
    assert duration(value) == text


def test_time_left_is_never_negative():
    assert duration(-3) == "0s"
