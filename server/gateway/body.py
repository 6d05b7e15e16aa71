"""What the gateway reads of a request's body, and the few rewrites that it does. Everything else passes as it came."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from server.errors import InvalidRequest

Fields = dict[str, msgspec.Raw]


class Peek(msgspec.Struct):
    """The fields that decide where a request goes and how its answer is read."""

    model: str | None = None
    stream: bool | None = None
    stream_options: msgspec.Raw = msgspec.Raw(b"")  # empty: absent


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_peek = msgspec.json.Decoder(Peek)
_fields = msgspec.json.Decoder(Fields)
_stream_options = msgspec.json.Decoder(StreamOptions)


def peek(body: bytes) -> Peek:
    """The fields above. Raises InvalidRequest that says what is wrong and where."""
    try:
        if not body.isascii():
            body.decode("utf-8")
        return _peek.decode(body)
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body is not UTF-8: byte {error.start} (0x{body[error.start]:02x}) does not belong: send JSON encoded as UTF-8.",
            code="invalid_utf8",
        ) from None
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except (msgspec.DecodeError, RecursionError):
        raise malformed(body) from None


def asks_usage(options: msgspec.Raw) -> bool:
    """Whether `stream_options` asks for the usage chunk. What is no such object is for the engine to refuse."""
    if bytes(options) in (b"", b"null"):
        return False
    try:
        return bool(_stream_options.decode(options).include_usage)
    except msgspec.DecodeError:
        return True  # left as it is


def fields_of(body: bytes) -> Fields:
    """The top-level fields with their values as written: large integers, floats and unknown keys survive."""
    return _fields.decode(body)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def join(fields: Fields) -> bytes:
    return msgspec.json.encode(fields)


def with_priority(body: bytes, priority: int) -> bytes:
    """`body`, of a request with some field, with vLLM's `priority`; one of its own is replaced."""
    if b"priority" not in body:
        brace = body.index(b"{") + 1
        return b'%b"priority":%d,%b' % (body[:brace], priority, body[brace:])
    fields = fields_of(body)
    fields["priority"] = raw(priority)
    return join(fields)


def absent(fields: Fields, name: str) -> bool:
    """Whether the request leaves `name` open: missing, or null as some SDKs write a default."""
    return name not in fields or bytes(fields[name]) == b"null"


def malformed(body: bytes) -> InvalidRequest:
    """The error for a body that is no JSON, with the place as people count it."""
    if not body.strip():
        return InvalidRequest('The body is empty: send a JSON object such as {"model": ..., "messages": [...]}.', code="invalid_json")
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno} (char {error.pos})"
        return InvalidRequest(f"The body is not valid JSON: {error.msg} at {where}.", code="invalid_json")
    except RecursionError:
        return InvalidRequest("The body is nested too deeply.", code="invalid_json")
    except ValueError as error:  # an integer of thousands of digits
        return InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json")
    return InvalidRequest(
        "The body is not valid JSON (RFC 8259): it holds NaN, Infinity or an unpaired surrogate such as \\ud800.", code="invalid_json"
    )


_WANTED = {"model": ("a string", '"model": "name"'), "stream": ("true or false", '"stream": true')}


def _wrong_type(error: msgspec.ValidationError) -> InvalidRequest:
    text = str(error)
    param = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else None
    if param in _WANTED:
        wanted, example = _WANTED[param]
        got = text.partition("got `")[2].partition("`")[0]
        return InvalidRequest(f"'{param}' must be {wanted}, not {got}: write {example}.", param=param, code="invalid_type")
    got = text.partition("got `")[2].partition("`")[0] or "something else"
    return InvalidRequest(f"The body must be a JSON object, not {got}.", code="invalid_json")
