from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import UpstreamError
from server.gateway.sse import MAX_HELD, UsageFilter, error_event
from tests.scripted import DONE, USAGE, event

FIRST = event('\ud55c\uad6d\uc5b4 and "usage"')
COMPLETED = b'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":4}}}\n\n'


def fed(pieces: list[bytes], strip: bool) -> tuple[bytes, tuple[int, int] | None]:
    usage = UsageFilter(strip)
    out = b"".join(usage.feed(p) for p in pieces) + usage.finish()
    return out, usage.usage


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({p % (len(data) + 1) for p in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks) if a < b]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_the_usage_chunk_is_taken_out_at_any_split(places: list[int]):
    pieces = cut(FIRST + event("b") + USAGE + DONE, places)
    assert fed(pieces, strip=True) == (FIRST + event("b") + DONE, (5, 3))


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_nothing_is_changed_for_who_asked(places: list[int]):
    whole = FIRST + USAGE + COMPLETED + DONE
    assert fed(cut(whole, places), strip=False) == (whole, (9, 4))


def test_every_single_split():
    whole = event("a") + USAGE + DONE
    for place in range(len(whole)):
        assert fed([whole[:place], whole[place:]], strip=True) == (event("a") + DONE, (5, 3))


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_crlf_streams(places: list[int]):
    whole = (event("a") + USAGE + DONE).replace(b"\n", b"\r\n")
    kept = (event("a") + DONE).replace(b"\n", b"\r\n")
    assert fed(cut(whole, places), strip=True) == (kept, (5, 3))


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=8))
def test_whatever_comes_comes_out(data: bytes, places: list[int]):
    assert fed(cut(data, places), strip=True)[0] == data


@given(st.integers(MAX_HELD - 10, MAX_HELD + 200), st.lists(st.integers(0, 2 * MAX_HELD), max_size=8))
def test_long_events_pass_without_being_held(size: int, places: list[int]):
    long = event("x" * size)
    assert fed(cut(event("a") + long + USAGE + DONE, places), strip=True) == (event("a") + long + DONE, (5, 3))


def test_a_long_event_is_passed_on_before_it_ends():
    usage = UsageFilter(strip=True)
    assert len(usage.feed(b"data: " + b"x" * (2 * MAX_HELD))) > MAX_HELD


def test_a_usage_chunk_before_a_long_event_is_taken_out():
    long = event("x" * (2 * MAX_HELD))
    pieces = [event("a") + USAGE + long[:-9], long[-9:] + DONE]
    assert fed(pieces, strip=True) == (event("a") + long + DONE, (5, 3))


def test_whole_events_are_passed_on_at_once():
    usage = UsageFilter(strip=True)
    assert usage.feed(event("a")) == event("a")


def test_a_chunk_with_choices_and_usage_stays():
    both = event("a", usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert fed([both], strip=True) == (both, (1, 2))


@pytest.mark.parametrize("data", [b'data: {"choices":[],"usage":null}\n\n', b'data: {"choices":[],"usage":[1]}\n\n', b'data: {"usage"\n\n'])
def test_what_is_no_usage_stays(data: bytes):
    assert fed([data], strip=True) == (data, None)


def test_an_error_event_is_openais():
    assert error_event(UpstreamError("it broke")) == (
        b'data: {"error": {"message": "it broke", "type": "server_error", "param": null, "code": "upstream_error"}}\n\n'
    )
