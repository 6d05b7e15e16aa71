"""One line of a batch file: what makes a request of it, and what is said of each fault."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.batch.base import BadLine, Line
from server.batch.request import Limits, read_line

LIMITS = Limits(max_line=10_000)
GOOD: dict[str, Any] = {
    "custom_id": "a-1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "demo", "messages": [{"role": "user", "content": "hi"}]},
}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


def bad(raw: bytes, **options: Any) -> BadLine:
    found = read_line(raw, 7, LIMITS, **options)
    assert isinstance(found, BadLine)
    assert found.number == 7
    assert found.message.startswith("Line 7")
    assert found.message.endswith(".")
    return found


def test_a_line_as_openai_documents_it_becomes_a_request_with_its_body_as_written():
    raw = b'{"url": "/v1/embeddings", "custom_id": "x", "method": "POST", "body": {"input" : "a", "model":"m", "n": 1.50, "k": 1e2}}'
    assert read_line(raw, 3, LIMITS) == Line(3, "x", "/v1/embeddings", "m", b'{"input" : "a", "model":"m", "n": 1.50, "k": 1e2}')


@pytest.mark.parametrize("url", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"])
def test_each_endpoint_is_known(url: str):
    assert isinstance(read_line(line(url=url), 1, LIMITS), Line)


@pytest.mark.parametrize("extra", [{"tags": ["x"]}, {"priority": None}, {"": 10**400}])
def test_unknown_keys_beside_the_documented_ones_are_no_fault(extra: dict[str, Any]):
    assert isinstance(read_line(line(**extra), 1, LIMITS), Line)


@pytest.mark.parametrize("stream", [False, None])
def test_a_stream_that_is_off_is_no_fault(stream: object):
    assert isinstance(read_line(line(body={"model": "m", "stream": stream}), 1, LIMITS), Line)


def test_a_space_or_a_tab_around_the_object_is_no_fault():
    assert isinstance(read_line(b" \t" + line() + b" ", 1, LIMITS), Line)


@pytest.mark.parametrize(
    ("raw", "code", "param", "words"),
    [
        (b"hello", "invalid_json_line", None, "not valid JSON"),
        (line()[:-1], "invalid_json_line", None, "delimiter at character"),
        (line() + line(), "invalid_json_line", None, "Extra data"),
        (b"[1]", "invalid_json_line", None, "not an array"),
        (b"null", "invalid_json_line", None, "not null"),
        (b"3", "invalid_json_line", None, "not a number"),
        (line()[:-1] + b', "x": NaN}', "invalid_json_line", None, "NaN"),
        (line().replace(b"hi", b"\\ud800"), "invalid_json_line", None, "surrogate"),
        (line().replace(b"hi", b"\\udc00\\ud800"), "invalid_json_line", None, "surrogate"),
        (line().replace(b"a-1", b"\\ud800"), "invalid_json_line", None, "surrogate"),
        (line().replace(b"hi", b"a\x00b"), "invalid_json_line", None, "control character"),
        (b"\x00" * 40, "invalid_json_line", None, "not valid JSON"),
        (b'{"a":' * 1900, "invalid_json_line", None, "nested too deeply"),
        (line().replace(b'"hi"', b"[" * 4000 + b"]" * 4000), "invalid_json_line", None, "nested too deeply"),
        (line().replace(b"hi", b"\xff"), "invalid_utf8", None, "0xff"),
        (line().replace(b"hi", "가".encode()[:2]), "invalid_utf8", None, "save the file as UTF-8"),
        (line().replace(b"hi", b"x" * 10_000), "line_too_long", None, "10,000 bytes"),
        (without("custom_id"), "missing_required_parameter", "custom_id", "'custom_id' is missing"),
        (without("method"), "missing_required_parameter", "method", "'method' is missing"),
        (without("url"), "missing_required_parameter", "url", "'url' is missing"),
        (without("body"), "missing_required_parameter", "body", "'body' is missing"),
        (line(custom_id=5), "invalid_type", "custom_id", "not a number"),
        (line(custom_id=None), "invalid_type", "custom_id", "not null"),
        (line(method=["POST"]), "invalid_type", "method", "not an array"),
        (line(method="post"), "invalid_method", "method", 'write "method": "POST"'),
        (line(method="GET"), "invalid_method", "method", '"GET"'),
        (line(url="/v1/images"), "invalid_url", "url", "/v1/chat/completions"),
        (line(url="https://api.openai.com/v1/embeddings/"), "invalid_url", "url", 'write "/v1/embeddings".'),
        (line(url="/chat/completions"), "invalid_url", "url", 'write "/v1/chat/completions".'),
        (line(url="x" * 5000), "invalid_url", "url", "…"),
        (line(body="{}"), "invalid_type", "body", "not a string"),
        (line(body=None), "invalid_type", "body", "not null"),
        (line(body={}), "missing_required_parameter", "body.model", "'model' is missing"),
        (line(body={"model": ""}), "invalid_type", "body.model", "an empty string"),
        (line(body={"model": 10**30}), "invalid_type", "body.model", "a number"),
        (line(body={"model": "m", "stream": True}), "unsupported_parameter", "body.stream", "leave it out"),
        (line(body={"model": "m", "stream": "no"}), "invalid_type", "body.stream", "not a string"),
    ],
)
def test_a_fault_is_named_with_its_code_its_field_and_what_to_write(raw: bytes, code: str, param: str | None, words: str):
    found = bad(raw)
    assert (found.code, found.param) == (code, param)
    assert words in found.message
    assert len(found.message) < 400


def test_a_fault_keeps_the_lines_custom_id_where_it_has_one():
    assert bad(line(method="GET")).custom_id == "a-1"
    assert bad(line(custom_id=3)).custom_id is None


def test_an_endpoint_that_is_known_but_not_the_batchs_is_named_with_the_one_to_write():
    found = bad(line(), urls=("/v1/embeddings",))
    assert found.code == "invalid_url"
    assert "'url' is /v1/chat/completions, and the batch is for /v1/embeddings" in found.message


def test_a_body_that_names_no_model_takes_the_one_that_is_given():
    found = read_line(line(body={"input": "a", "n": 10**40}), 1, LIMITS, model="m")
    assert isinstance(found, Line)
    assert found.model == "m"
    assert found.body == b'{"model":"m","input":"a","n":1%s}' % (b"0" * 40)


def test_a_given_model_does_not_replace_the_lines_own():
    found = read_line(line(), 1, LIMITS, model="other")
    assert isinstance(found, Line)
    assert found.model == "demo"


def test_a_given_model_does_not_hide_what_else_is_wrong():
    assert bad(line(body={"stream": True}), model="m").param == "body.stream"
    assert bad(line(body={"model": None}), model="m").param == "body.model"


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary() | st.binary().map(lambda tail: line()[: len(tail) * 3] + tail))
@example(b"")
@example(b'{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"m"}}\r')
def test_no_bytes_raise(raw: bytes):
    assert isinstance(read_line(raw, 1, LIMITS), Line | BadLine)


@given(st.fixed_dictionaries({}, optional={name: _json | st.just(GOOD[name]) for name in GOOD}), st.sampled_from([None, "m"]))
def test_no_json_raises_and_a_request_has_what_the_line_had(fields: dict[str, Any], model: str | None):
    found = read_line(json.dumps(fields).encode(), 1, LIMITS, model=model)
    if isinstance(found, Line):
        assert (found.custom_id, found.url, fields["method"]) == (fields["custom_id"], fields["url"], "POST")
        assert json.loads(found.body)["model"] == found.model
