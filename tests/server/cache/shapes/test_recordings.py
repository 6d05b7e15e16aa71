"""What the engine says in one shape, in the other: every kind of answer that it was asked for."""

from __future__ import annotations

from random import Random

import pytest

from server.cache.shapes import answer_of, fits, read_stream, recorder, stream_of, with_stream
from server.cache.shapes.events import DONE
from tests.server.cache.shapes.recordings import ENGINE_DIFFERS, NO_STREAM, STREAMED, load, names, read, said, stream_entry, whole_entry

TEXT_ALONE = [name for name in STREAMED if not name.startswith("responses_user")]


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_gives_the_engines_own_whole_answer(name: str):
    recording = load(name)
    entry = stream_entry(recording.path, recording.stream.encode())
    assert entry is not None
    but = ENGINE_DIFFERS.get(name, ()) + (("user", "metadata") if name == "responses_user" else ())
    assert said(read(entry.body), but) == said(read(recording.whole), but)


@pytest.mark.parametrize("name", STREAMED)
def test_both_shapes_agree_on_tokens_and_on_how_it_ended(name: str):
    recording = load(name)
    streamed, whole = stream_entry(recording.path, recording.stream.encode()), whole_entry(recording)
    assert streamed is not None
    assert (streamed.prompt_tokens, streamed.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)
    assert whole.prompt_tokens > 0 < whole.completion_tokens
    assert streamed.natural_end == whole.natural_end


@pytest.mark.parametrize("name", STREAMED)
def test_a_whole_answer_streamed_and_read_again_says_the_same(name: str):
    entry = whole_entry(load(name))
    path = load(name).path
    again = read_stream(path, stream_of(entry, include_usage=True))
    assert again is not None
    but = ("content",) if name in ("chat_tool_named", "chat_tool_required") else ()
    assert said(read(again.body), but) == said(read(entry.body), but)
    assert (again.prompt_tokens, again.completion_tokens, again.natural_end) == (
        entry.prompt_tokens,
        entry.completion_tokens,
        entry.natural_end,
    )


@pytest.mark.parametrize("name", TEXT_ALONE)
def test_a_stream_is_replayed_byte_for_byte(name: str):
    recording = load(name)
    stream = recording.stream.encode()
    entry = stream_entry(recording.path, stream)
    assert entry is not None
    assert stream_of(entry, include_usage=True) == stream
    if not name.startswith(("responses", "reasoning_responses")):
        usage = stream[stream.rindex(b"data: ", 0, -len(DONE)) : -len(DONE)]
        assert b'"choices":[]' in usage
        assert stream_of(entry, include_usage=False) == stream.replace(usage, b"")


@pytest.mark.parametrize("name", TEXT_ALONE)
def test_how_the_bytes_are_cut_makes_no_difference(name: str):
    recording = load(name)
    stream = recording.stream.encode()
    random = Random(name)
    for most in (1, 7, 400):
        kept = recorder(recording.path, len(stream))
        place = 0
        while place < len(stream):
            size = random.randint(1, most)
            kept.feed(stream[place : place + size])
            place += size
        assert kept.finish() == read_stream(recording.path, stream)


@pytest.mark.parametrize("name", sorted(NO_STREAM))
def test_an_error_in_place_of_a_stream_or_inside_it_is_not_kept(name: str):
    recording = load(name)
    assert "error" in recording.stream
    assert stream_entry(recording.path, recording.stream.encode()) is None


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_that_was_cut_anywhere_is_not_kept(name: str):
    recording = load(name)
    stream = recording.stream.encode()
    ends = [place for place in range(len(stream)) if stream.startswith(b"\n\n", place)][:-1]
    for place in [*ends, *(end + 2 for end in ends), *range(0, len(stream) - 2, 97)]:
        if recording.path != "/v1/responses" or place + 2 < len(stream):
            assert stream_entry(recording.path, stream[:place]) is None, stream[:place][-80:]


@pytest.mark.parametrize("name", STREAMED)
def test_an_answer_with_a_choice_that_has_not_ended_is_not_kept(name: str):
    recording = load(name)
    for reason in ("stop", "length", "tool_calls"):
        for gone in (b"null", b'"abort"', b'"error"', b'"content_filter"'):
            stream = recording.stream.encode().replace(b'"finish_reason":"%b"' % reason.encode(), b'"finish_reason":' + gone)
            assert stream.decode() == recording.stream or stream_entry(recording.path, stream) is None


@pytest.mark.parametrize("name", names())
def test_a_whole_answer_is_served_as_it_came(name: str):
    recording = load(name)
    if name != "responses_user":
        assert answer_of(whole_entry(recording), stream=False, include_usage=False) == recording.whole.encode()


@pytest.mark.parametrize("name", STREAMED)
def test_events_are_made_once(name: str):
    entry = with_stream(whole_entry(load(name)))
    assert entry.events
    assert with_stream(entry) is entry
    assert fits(entry, stream=True, include_usage=True)
