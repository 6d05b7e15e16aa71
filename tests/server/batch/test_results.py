"""The bytes of output lines and error lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batch.base import Answer, Line
from server.batch.results import failed_line, is_object, number_of, ok_line, request_id

JOB = bytes(range(32))
LINE = Line(4, "a-1", "/v1/chat/completions", "m", b"{}")


def test_an_id_is_that_of_its_job_and_line():
    assert request_id(JOB, 300) == "batch_req_00010203040506070000012c"


@given(st.integers(1, 2**40))
def test_an_id_tells_its_number_to_its_own_job_only(number: int):
    id = request_id(JOB, number)
    assert number_of(id, JOB) == number
    assert number_of(id, JOB[::-1]) is None


@pytest.mark.parametrize(
    "id", ["", "x", "batch_req_", "batch_req_0001020304050607", "batch_req_00010203040506070000000g", "batch_req_000102030405060700000000",
           "batch_req_00010203040506070000012C", "batch_req_0001020304050607000000012c", "batch_req_00010203040506070000012c\n"]
)  # fmt: skip
def test_what_is_no_id_of_the_job_has_no_number(id: str):
    assert number_of(id, JOB) is None


def test_an_answer_becomes_a_line_of_openais_shape_with_its_body_as_it_came():
    answer = Answer(200, "req-1", b'{"n": 1.50, "big": 123456789012345678901234567890}')
    written = ok_line("batch_req_1", LINE, answer)
    assert b'"body":{"n": 1.50, "big": 123456789012345678901234567890}' in written
    assert list(json.loads(written)) == ["id", "custom_id", "response", "error"]
    assert json.loads(written)["response"]["status_code"] == 200
    assert json.loads(written)["response"]["request_id"] == "req-1"
    assert json.loads(written)["error"] is None


def test_a_refusal_becomes_an_error_line_with_the_servers_words_and_the_lines_number():
    answer = Answer(400, "req-1", b'{"error": {"message": "no", "code": null}}')
    assert json.loads(failed_line("batch_req_1", 4, "a-1", answer, None)) == {
        "id": "batch_req_1",
        "custom_id": "a-1",
        "response": {"status_code": 400, "request_id": "req-1", "body": {"error": {"message": "no", "code": None}}},
        "error": None,
        "line": 4,
    }


def test_a_line_that_never_ran_has_an_error_and_no_response():
    assert json.loads(failed_line("batch_req_1", 9, None, None, ("invalid_json_line", "Line 9: no."))) == {
        "id": "batch_req_1",
        "custom_id": None,
        "response": None,
        "error": {"code": "invalid_json_line", "message": "Line 9: no."},
        "line": 9,
    }


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"", b"[1]", b"\xff", b'{"a":', b'"text"'])
def test_an_answer_that_is_no_json_object_is_put_inside_an_error_object(body: bytes):
    assert not is_object(body)
    error = json.loads(failed_line("i", 1, "a", Answer(502, "r", body), None))["response"]["body"]["error"]
    assert error["code"] == "invalid_answer"
    assert error["message"]


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), st.text(), st.sampled_from([None, 0, 2]), st.booleans())
def test_a_line_is_one_line_by_any_readers_rule_and_reads_back_the_same(
    value: dict[str, object], custom_id: str, indent: int | None, ascii: bool
):
    body = json.dumps(value, indent=indent, ensure_ascii=ascii).encode()
    for written in (
        ok_line("i", Line(1, custom_id, "u", "m", b""), Answer(200, "r", body)),
        failed_line("i", 1, custom_id, Answer(400, "r", body), None),
    ):
        assert written.decode().splitlines(keepends=True) == [written.decode()]
        assert json.loads(written)["response"]["body"] == value
        assert json.loads(written)["custom_id"] == custom_id


@given(st.binary())
def test_whatever_a_server_sends_the_line_is_json(body: bytes):
    written = failed_line("i", 1, "a", Answer(500, "r", body), ("c", body.decode("utf-8", "surrogateescape")))
    assert written.count(b"\n") == 1
    json.loads(written)
