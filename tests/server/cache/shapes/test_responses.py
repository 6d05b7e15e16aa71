"""/v1/responses: what is no complete answer, and what an answer repeats of its own request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.cache.shapes import addressed, answer_of, entry_from_whole, read_stream, stream_of
from server.cache.shapes.events import named
from tests.server.cache.shapes.recordings import load, read, stream_entry, whole_entry

PATH = "/v1/responses"
META: dict[str, Any] = {"created": 1.0, "model": "m", "namespace": "", "engine_seconds": 0.5}
REQUEST = json.dumps({"input": "x", "user": "ben", "metadata": {"order": "8"}}).encode()


def answer(**more: Any) -> dict[str, Any]:
    return {**read(load("responses_plain").whole), **more}


def whole(**more: Any) -> Any:
    return entry_from_whole(PATH, json.dumps(answer(**more)).encode(), **META)


def events(stream: bytes) -> list[Any]:
    return [read(event.partition(b"\ndata: ")[2]) for event in stream.strip().split(b"\n\n")]


@pytest.mark.parametrize("name", ["responses_user", "responses_plain"])
def test_whose_answer_it_was_is_not_kept(name: str):
    recording = load(name)
    for entry in (whole_entry(recording), stream_entry(PATH, recording.stream.encode())):
        assert entry is not None
        for kept in (entry.body, stream_of(entry, include_usage=False)):
            assert b'"ann"' not in kept
            assert b'"order"' not in kept


def test_an_answer_is_addressed_to_the_request_at_hand():
    recording = load("responses_user")
    for entry in (whole_entry(recording), stream_entry(PATH, recording.stream.encode())):
        assert entry is not None
        mine = addressed(entry, REQUEST)
        assert {name: read(mine.body)[name] for name in ("user", "metadata")} == {"user": "ben", "metadata": {"order": "8"}}
        told = [event["response"] for event in events(stream_of(mine, include_usage=False)) if "response" in event]
        assert len(told) == 3
        assert {one["user"] for one in told} == {"ben"}
        assert all(one["metadata"] == {"order": "8"} for one in told)


def test_the_same_user_gets_the_same_answer_again():
    recording = load("responses_user")
    request = json.dumps(recording.request).encode()
    entry = stream_entry(PATH, recording.stream.encode())
    assert entry is not None
    assert events(stream_of(addressed(entry, request), include_usage=False)) == events(recording.stream.encode())
    assert read(addressed(whole_entry(recording), request).body) == read(recording.whole)


def test_a_request_without_user_or_metadata_changes_nothing():
    entry = whole_entry(load("responses_plain"))
    for request in (b'{"input":"x"}', b'{"user":null,"metadata":null}', b"{oops", b"\xff"):
        assert addressed(entry, request) is entry


def test_answers_of_other_routes_are_not_addressed():
    entry = whole_entry(load("chat_plain"))
    assert addressed(entry, REQUEST) is entry


@pytest.mark.parametrize(
    "more",
    [
        {"status": "failed"},
        {"status": "in_progress"},
        {"status": "queued"},
        {"status": "cancelled"},
        {"status": None},
        {"error": {"message": "x"}},
        {"output": None},
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        {"status": "incomplete", "incomplete_details": 5},
    ],
    ids=str,
)
def test_what_is_not_complete_is_not_kept(more: dict[str, Any]):
    assert whole(**more) is None
    last = {"type": "response.completed", "response": answer(**more), "sequence_number": 0}
    assert read_stream(PATH, named(last)) is None


@pytest.mark.parametrize("kind", ["response.failed", "error", "response.in_progress", "response.output_text.done"])
def test_a_stream_that_ends_otherwise_is_not_kept(kind: str):
    assert read_stream(PATH, named({"type": kind, "response": answer(), "sequence_number": 0})) is None


def test_an_answer_at_its_limit_is_kept_but_did_not_end_by_itself():
    entry = whole(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert entry.natural_end is False
    last = {"type": "response.incomplete", "response": answer(status="incomplete"), "sequence_number": 0}
    assert read_stream(PATH, named(last)) is not None


def test_done_at_the_end_of_a_stream_is_no_event():
    stream = load("responses_plain").stream.encode()
    assert read_stream(PATH, stream + b"data: [DONE]\n\n") == read_stream(PATH, stream)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([], False),
        ([{"type": "message", "content": [{"type": "output_text", "text": "x"}]}], True),
        ([{"type": "reasoning", "content": []}, {"type": "message", "content": [{"type": "output_text", "text": "x"}]}], True),
        ([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}], False),
        ([{"type": "function_call", "name": "f", "arguments": "{}"}], False),
        ([{"type": "web_search_call"}, {"type": "message", "content": []}], False),
    ],
)
def test_what_counts_as_a_natural_end(output: list[Any], expected: bool):
    assert whole(output=output).natural_end is expected


def test_items_of_unknown_kinds_are_streamed_as_they_are():
    item = {"type": "unheard_of", "id": "x", "what": {"a": 1}}
    made = events(answer_of(whole(output=[item]), stream=True, include_usage=False) or b"")
    assert [event["type"] for event in made][2:4] == ["response.output_item.added", "response.output_item.done"]
    assert made[3]["item"] == item
    assert made[-1]["response"]["output"] == [item]


def test_a_refusal_is_streamed_as_one():
    part = {"type": "refusal", "refusal": "I cannot."}
    made = events(answer_of(whole(output=[{"type": "message", "id": "m", "content": [part]}]), stream=True, include_usage=False) or b"")
    assert [event.get("delta") for event in made if event["type"] == "response.refusal.delta"] == ["I cannot."]


@pytest.mark.parametrize("output", [[5], [None], [{"type": "message", "content": 5}], [{"type": "message", "content": [5]}], 5, "x"])
def test_answers_of_any_form_raise_nothing(output: Any):
    entry = whole(output=output)
    if entry is not None:
        answer_of(entry, stream=True, include_usage=True)
