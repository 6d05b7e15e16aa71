from __future__ import annotations

import pytest

from server.errors import InvalidRequest
from server.gateway.body import asks_usage, fields_of, join, peek


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        peek(body)
    return caught.value


def test_the_fields_that_decide_are_read():
    seen = peek(b'{"messages":[{"content":"{\\"model\\":1}"}],"stream":true,"model":"m"}')
    assert (seen.model, seen.stream) == ("m", True)


def test_malformed_json_says_where():
    error = refused(b'{"model": "m",\n "messages": }')
    assert "line 2, column 14 (char 28)" in error.message
    assert error.code == "invalid_json"


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_says_what_to_send(body: bytes):
    assert "empty" in refused(body).message


@pytest.mark.parametrize(("body", "got"), [(b"[1]", "array"), (b'"x"', "str"), (b"3", "int"), (b"null", "null"), (b"true", "bool")])
def test_only_objects_are_taken(body: bytes, got: str):
    assert refused(body).message == f"The body must be a JSON object, not {got}."


def test_wrong_types_name_the_field():
    error = refused(b'{"model": 3}')
    assert (error.param, error.message) == ("model", '\'model\' must be a string, not int: write "model": "name".')
    assert refused(b'{"model": "m", "stream": "yes"}').param == "stream"


def test_invalid_utf8_says_which_byte():
    error = refused(b'{"model": "m", "x": "\xff"}')
    assert error.code == "invalid_utf8"
    assert "byte 21 (0xff)" in error.message


@pytest.mark.parametrize("body", [b'{"x": NaN}', b'{"x": "\\ud800"}'])
def test_what_python_takes_but_json_forbids_is_named(body: bytes):
    assert "RFC 8259" in refused(body).message


def test_deep_nesting_is_refused():
    assert "nested too deeply" in refused(b'{"x":' + b"[" * 100_000).message


def test_a_huge_integer_passes():
    assert peek(b'{"model":"m","x":' + b"9" * 10_000 + b"}").model == "m"


@pytest.mark.parametrize(
    ("options", "asked"),
    [(b"{}", False), (b"null", False), (b'{"include_usage":true}', True), (b'{"include_usage":false}', False), (b"3", True)],
)
def test_stream_options(options: bytes, asked: bool):
    assert asks_usage(peek(b'{"stream_options":%b}' % options).stream_options) is asked


def test_values_survive_a_rewrite_as_written():
    body = b'{"seed":123456789012345678901234567890,"x":1.10,"y":1e400,"z":{"b": [1 ,2]}}'
    assert join(fields_of(body)) == body
