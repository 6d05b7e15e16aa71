"""The clock is the arguments: an event that arrives at 1.0 is one that was fed at 1.0."""

import json

import pytest

from benchmarks.loadgen.answer import INTERRUPTED, TIMEOUT, Answer
from benchmarks.loadgen.records import Record
from tests.scripted import DONE, chunk, event

CUT = ("connection lost", "the server closed it inside the answer")
USAGE = event(usage={"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8})


def completion(text, finish_reason=None):
    return b"data: " + json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": finish_reason}]}).encode() + b"\n\n"


def answered(*pieces, failure=None, status=200, headers=((b"content-type", b"text/event-stream"),)):
    """The record of an answer whose pieces arrive at 1.0, 2.0, ... and that ends half a second after the last."""
    ends = []
    answer = Answer(Record(0), ends.append)
    if status:
        answer.head(status, list(headers))
    for number, piece in enumerate(pieces, 1):
        answer.body(float(number), piece)
    answer.end(len(pieces) + 0.5, failure)
    assert ends == [answer]
    return answer.record


def test_the_clock_is_that_of_vllm():
    """vLLM's client: every event with choices counts, empty or not; usage and [DONE] move nothing."""
    record = answered(chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({}, "stop"), USAGE, DONE)
    assert (record.first, record.times, record.end, record.error) == (1.0, [1.0, 2.0, 3.0], 5.5, None)


def test_content_begins_and_ends_with_text():
    record = answered(
        chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, "stop"), DONE
    )
    assert (record.first, record.first_content, record.last) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a"},
        {"reasoning": "a"},
        {"reasoning_content": "a"},
        {"refusal": "a"},
        {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
        {"function_call": {"name": "f"}},
    ],
)
def test_text_reasoning_refusals_and_tool_calls_are_content(delta):
    record = answered(chunk({"role": "assistant"}), chunk(delta), chunk({}, "stop"), DONE)
    assert (record.first_content, record.last) == (2.0, 2.0)


@pytest.mark.parametrize("delta", [{"content": ""}, {"content": None}, {"tool_calls": []}, {}])
def test_an_empty_delta_is_no_content(delta):
    record = answered(chunk(delta), chunk({}, "stop"), DONE)
    assert (record.first, record.first_content, record.last) == (1.0, None, None)


def test_reasoning_stands_before_the_text():
    record = answered(chunk({"reasoning": "because "}), chunk({"content": "so"}), chunk({}, "stop"), DONE)
    assert record.text == "because so"


def test_a_completion_stream_is_read_too():
    record = answered(completion("a"), completion("b", "length"), DONE)
    assert (record.text, record.times, record.first_content, record.finish_reason) == ("ab", [1.0, 2.0], 1.0, "length")


def test_events_of_one_read_share_its_time():
    assert answered(event("a") + event("b"), event("c"), DONE).times == [1.0, 1.0, 2.0]


def test_an_event_in_pieces_counts_when_it_is_whole():
    whole = event("안녕")
    assert answered(whole[:-9], whole[-9:-1], whole[-1:], DONE).times == [3.0]


def test_usage_is_kept_with_what_the_cache_held():
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}
    record = answered(event("a"), event(usage=usage), DONE)
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (9, 4, 8)


def test_usage_on_every_event_is_the_last_one():
    first = event("a", usage={"prompt_tokens": 9, "completion_tokens": 1})
    record = answered(first, event("b", usage={"prompt_tokens": 9, "completion_tokens": 2}), DONE)
    assert (record.completion_tokens, record.times) == (2, [1.0, 2.0])


def test_an_answer_without_usage_is_whole_and_has_no_count():
    record = answered(event("a"), DONE)
    assert (record.error, record.prompt_tokens, record.completion_tokens) == (None, None, None)


@pytest.mark.parametrize(
    "pieces", [[chunk({"content": "a"}, "stop")], [event("a"), DONE], [event("a"), DONE[:-2]], [event("a"), DONE[:-1]]]
)
def test_a_finish_reason_or_done_makes_a_whole_answer(pieces):
    assert answered(*pieces).error is None


def test_a_last_event_without_its_empty_line_counts():
    record = answered(chunk({"content": "a"}), chunk({"content": "b"}, "stop").rstrip())
    assert (record.error, record.text) == (None, "ab")


@pytest.mark.parametrize("failure", [None, CUT])
@pytest.mark.parametrize("pieces", [[], [event("a")], [event("a"), event("b")[:-20]], [event("a"), b"data: {"]])
def test_neither_finish_reason_nor_done_ended_early(pieces, failure):
    record = answered(*pieces, failure=failure)
    assert record.error == "ended early"
    assert record.end == len(pieces) + 0.5


def test_a_cut_after_the_finish_reason_loses_only_the_usage():
    record = answered(chunk({"content": "a"}, "stop"), failure=CUT)
    assert (record.error, record.completion_tokens) == (None, None)


@pytest.mark.parametrize("error", [{"message": "out of memory", "code": 500}, "out of memory"])
def test_an_error_event_fails_the_answer_whatever_follows(error):
    record = answered(event("a"), b"data: " + json.dumps({"error": error}).encode() + b"\n\n", DONE)
    assert (record.error, record.detail, record.times) == ("error in the stream", "out of memory", [1.0])


def test_an_error_object_of_older_servers_fails_it_too():
    record = answered(b'data: {"object": "error", "message": "out of memory"}\n\n', DONE)
    assert (record.error, record.detail) == ("error in the stream", "out of memory")


@pytest.mark.parametrize(
    "data", [b"{", b"no", b'{"choices": 3}', b'{"choices": [{"delta": {"content": 7}}]}', b'{"choices": [{"text": "\xff"}]}']
)
def test_an_event_that_cannot_be_read_is_invalid_json(data):
    record = answered(b"data: " + data + b"\n\n", event("a"), DONE)
    assert record.error == "invalid JSON"
    assert data.decode(errors="replace") in record.detail


@pytest.mark.parametrize("pieces", [[DONE], [USAGE, DONE]])
def test_a_stream_without_choices_has_no_tokens(pieces):
    assert answered(*pieces).error == "no tokens"


def test_a_whole_json_answer_is_no_stream():
    record = answered(b'{"choices": []}', headers=[(b"content-type", b"application/json")])
    assert (record.error, record.detail) == ("not a stream", 'application/json: {"choices": []}')


def test_a_stream_under_another_content_type_is_read():
    assert answered(event("a"), DONE, headers=[]).error is None


def test_a_status_is_named_with_the_servers_words():
    record = answered(b'{"error": {"message": "no ', b'such model"}}', status=404)
    assert (record.error, record.detail, record.end) == ("status 404", "no such model", 2.5)


def test_a_busy_server_is_quoted_with_its_retry_after():
    record = answered(b'{"error": {"message": "busy"}}', status=503, headers=[(b"retry-after", b"7")])
    assert (record.error, record.detail) == ("status 503", "busy (retry-after: 7)")


def test_a_status_without_a_body_is_an_error_all_the_same():
    assert answered(status=500).error == "status 500"


def test_no_answer_is_named_by_what_the_connection_met():
    record = answered(failure=("connection refused", "[Errno 111]"), status=0)
    assert (record.error, record.detail, record.status) == ("connection refused", "[Errno 111]", 0)


@pytest.mark.parametrize("failure", [TIMEOUT, INTERRUPTED])
def test_what_this_side_ended_is_named_so_and_not_the_server_blamed(failure):
    assert answered(event("a"), failure=(failure, "")).error == failure


def test_words_are_cut_to_three_hundred_characters():
    assert len(answered(b"x" * 9000, status=500).detail) == 300
