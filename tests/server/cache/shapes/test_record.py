"""A stream is held as it comes, up to a limit; its pace is kept where a clock is given."""

from __future__ import annotations

from typing import Any

import pytest

from server.cache.shapes import entry_from_stream, entry_from_whole, paced, recorder, stream_of
from server.cache.shapes.events import DONE, pauses, split, spread, tidy
from server.cache.shapes.pieces import pieces
from tests.server.cache.shapes.recordings import load, whole_entry

CHAT = "/v1/chat/completions"
META: dict[str, Any] = {"created": 1.0, "model": "m", "namespace": "", "engine_seconds": 2.0}
STREAM = load("chat_plain").stream.encode()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stream_longer_than_the_limit_is_given_up_and_not_held():
    kept = recorder(CHAT, max_bytes=len(STREAM) - 1)
    for event in split(STREAM):
        kept.feed(event)
    assert kept.gave_up
    assert kept.finish() is None
    kept.feed(b"x" * 10)
    assert kept._pieces is None


def test_a_stream_of_just_the_limit_is_kept():
    kept = recorder(CHAT, max_bytes=len(STREAM))
    kept.feed(STREAM)
    assert not kept.gave_up
    assert kept.finish() is not None


def test_routes_without_streams_record_nothing():
    for path in ("/v1/embeddings", "/v1/rerank"):
        kept = recorder(path, 2**20)
        kept.feed(STREAM)
        assert kept.finish() is None


def test_the_pace_is_kept_and_played_again():
    clock = Clock()
    kept = recorder(CHAT, 2**20, clock)
    events = split(STREAM)
    for event in events:
        kept.feed(event)
        clock.now += 0.05
    recorded = kept.finish()
    assert recorded is not None
    assert recorded.typed == (0.0, *[0.05] * (len(events) - 3))  # without the usage chunk and [DONE]
    entry = entry_from_stream(CHAT, recorded, **META)
    played = list(paced(entry, include_usage=True))
    assert b"".join(part for _, part in played) == stream_of(entry, include_usage=True)
    assert sum(wait for wait, _ in played) == pytest.approx(0.05 * (len(events) - 3))


def test_events_that_came_together_are_played_together():
    clock = Clock()
    kept = recorder(CHAT, 2**20, clock)
    events = split(STREAM)
    kept.feed(events[0] + events[1] + events[2][:40])
    clock.now += 1
    kept.feed(events[2][40:] + b"".join(events[3:]))
    recorded = kept.finish()
    assert recorded is not None
    played = list(paced(entry_from_stream(CHAT, recorded, **META), include_usage=False))
    assert played == [(0.0, events[0] + events[1]), (1.0, b"".join(events[2:-2])), (0.0, DONE)]


@pytest.mark.parametrize("name", ["chat_plain", "completions_plain", "responses_plain", "chat_tool_auto"])
def test_a_whole_answer_is_typed_in_the_time_that_it_took(name: str):
    entry = whole_entry(load(name))
    played = list(paced(entry, include_usage=True))
    assert sum(wait for wait, _ in played) < entry.engine_seconds
    assert all(wait >= 0 for wait, _ in played)
    assert len(played) > 3
    assert len({wait for wait, _ in played[1:-1]}) == 1


def test_an_answer_without_usage_is_played_too():
    events = split(STREAM)
    kept = recorder(CHAT, 2**20)
    kept.feed(b"".join(events[:-2]) + DONE)
    recorded = kept.finish()
    assert recorded is not None
    entry = entry_from_stream(CHAT, recorded, **META)
    assert b"".join(part for _, part in paced(entry, include_usage=False)) == stream_of(entry, include_usage=False)


def test_long_words_and_texts_without_spaces_are_cut():
    text = "  Hello, 안녕하세요여러분반갑습니다  world\n\n  "
    assert "".join(pieces(text)) == text
    assert max(len(piece.strip()) for piece in pieces(text)) <= 8
    assert "".join(pieces(" " * 50_000 + "x")) == " " * 50_000 + "x"
    assert pieces("") == []


def test_pauses_are_those_before_each_event():
    events = [b"ab\n\n", b"c\n\n", b"def\n\n"]
    assert pauses([(12, 3.0)], events) == (0.0, 0.0, 0.0)
    assert pauses([(4, 1.0), (7, 1.5), (12, 3.0)], events) == (0.0, 0.5, 1.5)
    assert pauses([(2, 1.0), (5, 1.5), (12, 3.0)], events) == (0.0, 1.5, 0.0)


def test_spreading_loses_nothing():
    events = [b"a", b"b", b"c", b"d"]
    assert list(spread(events, [0.0, 0.0, 0.5, 0.0])) == [(0.0, b"ab"), (0.5, b"cd")]
    assert list(spread(events, [0.0, 1.0])) == [(0.0, b"a"), (1.0, b"bcd")]
    assert list(spread(events, [])) == [(0.0, b"abcd")]
    assert list(spread([], [])) == []


def test_a_tidy_stream_stays_as_it_is():
    assert tidy(STREAM) is STREAM


def test_answers_of_routes_that_are_not_cached_are_not_kept():
    assert entry_from_whole("/v1/rerank", b"{}", **META) is None
