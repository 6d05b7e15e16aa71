"""Chat and completions: deltas that engines send, merged; streams that are no answer, refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cache.entry import Kind
from server.cache.shapes import (
    answer_of,
    choices,
    entry_from_stream,
    entry_from_whole,
    fits,
    plain,
    read_stream,
    stream_of,
    text_of,
    with_stream,
)
from server.cache.shapes.answer import ODD, Recorded
from server.cache.shapes.events import DONE, event
from tests.server.cache.shapes.recordings import STREAMED, load, read, whole_entry

CHAT = "/v1/chat/completions"
HEAD: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
META: dict[str, Any] = {"created": 1.0, "model": "m", "namespace": "", "engine_seconds": 0.5}


def chunk(delta: dict[str, Any] | None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    return event({**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}]})


END = event({**HEAD, "choices": [], "usage": USAGE}) + DONE


def recorded(*events: bytes, end: bytes = END) -> Recorded:
    found = read_stream(CHAT, b"".join(events) + end)
    assert found is not None
    return found


def message(*events: bytes) -> dict[str, Any]:
    answer = read(recorded(*events, chunk({}, "stop")).body)
    return {name: value for name, value in answer["choices"][0]["message"].items() if value is not None}


def call(index: int, arguments: str | None = None, **more: Any) -> dict[str, Any]:
    function = {name: value for name, value in (("name", more.pop("name", None)), ("arguments", arguments)) if value is not None}
    return {"tool_calls": [{"index": index, **more, "function": function}]}


def test_two_tool_calls_whose_arguments_come_in_turns():
    found = message(
        chunk({"role": "assistant", "content": None}),
        chunk(call(0, "", id="a", type="function", name="f")),
        chunk(call(1, "", id="b", type="function", name="g")),
        chunk(call(0, '{"x"')),
        chunk(call(1, '{"y"')),
        chunk(call(0, ":1}")),
        chunk(call(1, ":2}")),
    )
    assert found["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"y":2}'}},
    ]


def test_tool_calls_stand_by_their_index_and_may_come_without_a_type():
    found = message(chunk(call(1, "{}", id="b", name="g")), chunk(call(0, "{}", id="a", name="f")))
    assert [one["function"]["name"] for one in found["tool_calls"]] == ["f", "g"]
    assert {one["type"] for one in found["tool_calls"]} == {"function"}


def test_an_id_said_again_is_not_said_twice():
    found = message(chunk(call(0, "{", id="a", type="function", name="f")), chunk(call(0, "}", id="a", type="function")))
    assert found["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "refusal", "unheard_of"])
def test_texts_beside_the_content_are_joined(field: str):
    found = message(chunk({"role": "assistant", "content": ""}), chunk({field: "a"}), chunk({field: "b"}), chunk({"content": "c"}))
    assert found == {"role": "assistant", "content": "c", field: "ab"}


def test_thoughts_without_content_leave_the_content_null():
    assert message(chunk({"role": "assistant", "content": ""}), chunk({"reasoning": "a"})) == {"role": "assistant", "reasoning": "a"}


def test_an_empty_answer_is_an_empty_text():
    assert message(chunk({"role": "assistant", "content": ""})) == {"role": "assistant", "content": ""}


def test_unknown_objects_and_lists_are_merged():
    found = message(chunk({"audio": {"id": "x", "data": "ab"}}), chunk({"audio": {"data": "cd"}, "marks": [1]}), chunk({"marks": [2]}))
    assert found == {"role": "assistant", "audio": {"id": "x", "data": "abcd"}, "marks": [1, 2]}


def test_choices_that_come_in_turns_are_kept_apart():
    found = recorded(
        *(chunk({"role": "assistant", "content": ""}, index=i) for i in (0, 1)),
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}, index=0),
        chunk({}, "length", index=1),
        chunk({"content": "A"}, index=0),
        chunk({}, "stop", index=0),
    )
    answer = read(found.body)
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in answer["choices"]] == [(0, "aA", "stop"), (1, "b", "length")]
    assert not found.natural_end


def test_usage_in_every_chunk_is_taken_out_and_told_at_the_end():
    def with_usage(done: int, *args: Any, **more: Any) -> bytes:
        return event({**json.loads(chunk(*args, **more)[6:]), "usage": {**USAGE, "completion_tokens": done}})

    found = recorded(with_usage(1, {"content": "a"}), with_usage(3, {"content": "b"}, "stop"), end=DONE)
    assert b"usage" not in found.events
    assert found.completion_tokens == 3
    assert read(found.usage_event[6:]) == {**HEAD, "choices": [], "usage": USAGE}
    assert read(found.body)["usage"] == USAGE


def test_null_usage_in_every_chunk_stays():
    stream = event({**json.loads(chunk({"content": "a"}, "stop")[6:]), "usage": None})
    assert recorded(stream).events == stream


def test_a_stream_without_usage_serves_only_streams_that_do_not_ask_for_it():
    entry = entry_from_stream(CHAT, recorded(chunk({"content": "a"}), chunk({}, "stop"), end=DONE), **META)
    assert answer_of(entry, stream=True, include_usage=False) == chunk({"content": "a"}) + chunk({}, "stop") + DONE
    assert answer_of(entry, stream=True, include_usage=True) is None
    assert answer_of(entry, stream=False, include_usage=False) is None
    assert not entry.natural_end
    assert text_of(entry) == ""


def test_a_whole_answer_without_usage_serves_no_stream_that_asks_for_it():
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}).encode()
    entry = entry_from_whole(CHAT, body, **META)
    assert entry is not None
    assert answer_of(entry, stream=False, include_usage=False) == body
    assert answer_of(entry, stream=True, include_usage=True) is None
    assert fits(entry, stream=True, include_usage=False)


def test_comments_line_ends_and_events_cut_into_lines_are_evened_out():
    tidy = chunk({"content": "a"}) + chunk({}, "stop") + END
    odd = b": ping\n\n" + tidy.replace(b"\n\n", b"\r\n\r\n: keep-alive\r\n\r\n")
    assert read_stream(CHAT, odd) == read_stream(CHAT, tidy)
    assert stream_of(entry_from_stream(CHAT, recorded(odd, end=b""), **META), include_usage=True) == tidy
    lines = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    assert read(recorded(lines).body)["choices"][0]["message"]["content"] == "a"


def test_a_chunk_that_says_nothing_of_a_choice_stays_in_its_place():
    filtered = event({**HEAD, "choices": [], "prompt_filter_results": [{"hate": False}]})
    found = recorded(filtered, chunk({"content": "a"}, "stop"))
    assert found.events.startswith(filtered)
    assert read(found.body)["prompt_filter_results"] == [{"hate": False}]


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        DONE,
        END,
        chunk({"content": "a"}) + END,
        chunk({"content": "a"}, "stop"),
        chunk({"content": "a"}, "stop") + END[: -len(DONE)],
        chunk({"content": "a"}, "stop") + b"data: [DONE]",
        chunk({"content": "a"}, "stop") + event({"error": {"message": "x"}}) + END,
        event({"error": {"message": "x"}}) + DONE,
        chunk({"content": "a"}, "stop") + chunk({"content": "b"}, index=1) + END,
        chunk({"content": "a"}, "stop") + b"data: {oops\n\n" + END,
        chunk({"content": "a"}, "stop") + b"data: []\n\n" + END,
        chunk({"content": "a"}, "stop") + event({"choices": [5]}) + END,
        chunk({"content": "a"}, "stop") + event({"choices": [{"index": "0"}]}) + END,
        chunk({"content": "a"}, "stop") + event({"choices": None}) + END,
        chunk({"content": "a"}, "abort") + END,
        chunk({"content": "a"}, "content_filter") + END,
        chunk({"content": "a"}, "error") + END,
        chunk({"content": "a"}, "stop") + b"data: " + b"[" * 100_000 + b"\n\n" + END,
        b'{"choices":[]}',
    ],
    ids=lambda stream: repr(stream[-40:]),
)
def test_what_is_no_complete_answer_is_not_kept(stream: bytes):
    assert read_stream(CHAT, stream) is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b"{oops", b'{"choices":[]}', b'{"choices":[5]}', b'{"choices":"x"}',
        b'{"error":{"message":"x"}}', b'{"choices":[{"finish_reason":"stop"}],"error":{"message":"x"}}',
        b'{"choices":[{"finish_reason":null}]}', b'{"choices":[{"finish_reason":"abort"}]}',
        b'{"choices":[{"finish_reason":"content_filter"}]}',
        b'{"choices":[{"finish_reason":"stop"},{"finish_reason":null}]}', b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:60]),
)  # fmt: skip
def test_what_is_no_complete_whole_answer_is_not_kept(body: bytes):
    assert entry_from_whole(CHAT, body, **META) is None


@pytest.mark.parametrize(
    ("finish", "more", "expected"),
    [
        ("stop", {}, True),
        ("length", {}, False),
        ("tool_calls", {}, False),
        ("stop", {"stop_reason": "\n"}, False),
        ("stop", {"stop_reason": 128009}, True),
        ("stop", {"delta": call(0, "{}", id="a", name="f")}, False),
        ("stop", {"delta": {"refusal": "no"}}, False),
    ],
)
def test_what_counts_as_a_natural_end(finish: str, more: dict[str, Any], expected: bool):
    delta = more.pop("delta", {"content": "a"})
    found = recorded(chunk(delta), chunk({}, finish, **more))
    assert found.natural_end is expected
    entry = entry_from_whole(CHAT, found.body, **META)
    assert entry is not None
    assert entry.natural_end is expected


@pytest.mark.parametrize("name", STREAMED)
def test_the_reading_at_once_agrees_with_the_reading_event_by_event(name: str):
    recording = load(name)
    kind = "completions" if recording.path == "/v1/completions" else "chat"
    at_once = plain.read(kind, recording.stream.encode())
    if at_once is None:
        return
    merged = choices._merge(recording.stream.encode())
    assert merged is not None
    assert (at_once.events, at_once.usage_event, at_once.usage) == (merged.events, merged.usage_event, merged.usage)
    assert at_once.top == {field: value for field, value in merged.top.items() if field != "object"}
    shape = choices.SHAPES[kind]
    for index, choice in merged.choices.items():
        whole = {field: value for field, value in shape.whole(choice).items() if value is not None}
        assert {field: value for field, value in shape.whole(at_once.choices[index]).items() if value is not None} == whole


def test_the_reading_at_once_reads_what_is_usual():
    for name in (
        "chat_plain",
        "chat_korean",
        "chat_n2",
        "chat_length",
        "chat_stop",
        "chat_json",
        "completions_plain",
        "completions_prompts",
    ):
        recording = load(name)
        assert plain.read("completions" if name.startswith("completions") else "chat", recording.stream.encode()) is not None, name


def test_a_long_stream_is_read_whole():
    """A hundred thousand events of each kind, which a quadratic reading would not finish before the tests' timeout."""
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    logprobs = [chunk({"content": "가나"}, logprobs={"content": [token]})] * 50_000
    arguments = [chunk(call(0, "12345678"))] * 50_000
    found = recorded(*logprobs, chunk(call(0, "", id="a", name="f")), *arguments, chunk({}, "tool_calls"))
    choice = read(found.body)["choices"][0]
    assert choice["message"]["content"] == "가나" * 50_000
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "12345678" * 50_000
    assert len(choice["logprobs"]["content"]) == 50_000
    text = recorded(*[chunk({"content": "가나"})] * 100_000, chunk({}, "stop"))
    assert read(text.body)["choices"][0]["message"]["content"] == "가나" * 100_000


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing(data: bytes):
    for path in (CHAT, "/v1/completions", "/v1/responses"):
        assert read_stream(path, data) is None
        assert read_stream(path, b"data: " + data + b"\n\n" + DONE) is None
        entry_from_whole(path, data, **META)


KEYS = ["index", "delta", "content", "tool_calls", "function", "logprobs", "finish_reason", "text", "message", "x"]


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)


_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), _nested, max_leaves=12)


@given(st.lists(_json, max_size=4), st.lists(_json, max_size=3))
def test_chunks_of_any_form_raise_nothing(chunks: list[Any], deltas: list[Any]):
    events = [event({"choices": one if isinstance(one, list) else [one]}) for one in chunks]
    events += [event({"choices": [{"index": 0, "delta": one}]}) for one in deltas]
    for path in (CHAT, "/v1/completions"):
        found = read_stream(path, b"".join(events) + chunk({}, "stop") + END)
        if found is not None:
            entry = entry_from_stream(path, found, **META)
            assert answer_of(entry, stream=True, include_usage=True) is not None


@given(_json, _json, _json)
def test_whole_answers_of_any_form_raise_nothing(one: Any, other: Any, more: Any):
    for choice in ({"message": one, "text": other}, {"message": {"content": one, "tool_calls": other}}, {"logprobs": more, "text": one}):
        body = json.dumps({"choices": [{"finish_reason": "stop", **choice}], "usage": USAGE}).encode()
        for path in (CHAT, "/v1/completions"):
            entry = entry_from_whole(path, body, **META)
            if entry is not None:
                answer_of(entry, stream=True, include_usage=True)
                text_of(entry)


def test_a_byte_changed_anywhere_raises_nothing():
    random = Random(3)
    for name in ("chat_tool_auto", "chat_logprobs", "completions_echo_logprobs", "responses_tool"):
        recording = load(name)
        stream = bytearray(recording.stream.encode())
        for _ in range(300):
            place, old = random.randrange(len(stream)), None
            old, stream[place] = stream[place], random.randrange(256)
            read_stream(recording.path, bytes(stream))
            stream[place] = old


def test_texts_of_every_choice():
    assert text_of(whole_entry(load("chat_plain"))) == "The capital of France is Paris."
    assert text_of(whole_entry(load("completions_prompts"))) == " the capital of South\n How can I help you?"
    assert text_of(whole_entry(load("responses_plain"))) == "The capital of France is Paris."
    assert text_of(whole_entry(load("chat_tool_auto"))) == ""
    assert text_of(whole_entry(load("embeddings_one"))) == ""


def test_the_first_chunk_of_a_made_stream_names_the_role_and_each_chunk_the_answer():
    entry = with_stream(whole_entry(load("chat_plain")))
    first, *rest = [read(one[6:]) for one in entry.events.strip().split(b"\n\n")]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {one["id"] for one in (first, *rest)} == {read(entry.body)["id"]}
    assert {one["object"] for one in (first, *rest)} == {"chat.completion.chunk"}
    assert rest[-1]["choices"][0]["finish_reason"] == "stop"


def whole(choice: str, more: str = "") -> bytes:
    return f'{{"id":"x","choices":[{choice}]{more}}}'.encode()


@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize(
    "body",
    [
        whole('{"finish_reason":"stop","message":{"content":"a"}}', ',"usage":{"prompt_tokens":3,"completion_tokens":4}'),
        whole('{"finish_reason":"stop","message":{"content":"\u00e9 안녕"}}'),
        whole('{"finish_reason":"stop","message":{"content":"\\ud800"}}'),
        whole('{"finish_reason":"stop","message":{"content":"\\ud83d\\ude42"}}'),
        whole('{"finish_reason":"stop","message":{"content":"a"}}').replace(b'"a"', b'"\xff"'),
        whole('{"finish_reason":"stop","text":"a"},{"finish_reason":"length","text":"b"}'),
        whole('{"finish_reason":"stop","text":"a"},{"finish_reason":null,"text":"b"}'),
        whole('{"finish_reason":"stop","text":"a"},{"finish_reason":"abort","text":"b"}'),
        whole('{"finish_reason":"stop","stop_reason":"END"}'),
        whole('{"finish_reason":"stop","stop_reason":7}'),
        whole('{"finish_reason":"stop","message":{"tool_calls":[{"id":"1"}]}}'),
        whole('{"finish_reason":"stop","message":{"tool_calls":[],"refusal":"","audio":null}}'),
        whole('{"finish_reason":"stop","message":{"refusal":"no"}}'),
        whole('{"finish_reason":"stop","message":"text"}'),
        whole('{"finish_reason":1}'),
        whole('{"finish_reason":"stop"}', ',"usage":{"prompt_tokens":"3"}'),
        whole('{"finish_reason":"stop"}', ',"usage":{"input_tokens":3,"output_tokens":null}'),
        whole('{"finish_reason":"stop"}', ',"usage":[]'),
        whole('{"finish_reason":"stop"}', ',"error":{"code":1}'),
        whole('{"finish_reason":"stop"}', ',"error":null'),
        whole(""),
        whole("1"),
        b"[]",
        b"{}",
        b'{"choices":{}}',
        b'{"choices":[{"finish_reason":"stop"}]',
    ],
)
def test_the_short_look_at_a_whole_answer_finds_what_the_long_one_does(kind: Kind, body: bytes, monkeypatch: pytest.MonkeyPatch):
    def found() -> Recorded | None:
        try:
            return choices.read_whole(kind, body)
        except ODD:
            return None

    short = found()
    monkeypatch.setattr(choices, "_read_usual", lambda body: None)
    assert short == found()
