"""The bytes of an output line and of an error line, as OpenAI's output and error files have them.

https://platform.openai.com/docs/api-reference/batch/request-output. A line of either file ends in one \\n and has no other character
that any reader takes for the end of a line: U+0085, U+2028 and U+2029 are written as escapes, since str.splitlines() parts there.
"""

from __future__ import annotations

import json
import re

import msgspec

from server.batch.base import Answer, Line

PREFIX = "batch_req_"
JOB = 16  # hex digits of the job in an id
_number = re.compile(r"[0-9a-f]{8,16}")
_breaks = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]")
_escapes = {b"\xc2\x85": b"\\u0085", b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029"}


def request_id(job: bytes, number: int) -> str:
    """The id of line `number` (from 1) of a job: the same at every run, so that an output says which lines are done."""
    return f"{PREFIX}{job.hex()[:JOB]}{number:08x}"


def number_of(id: str, job: bytes) -> int | None:
    """The line's number in an id of this job; None for any other text."""
    head = PREFIX + job.hex()[:JOB]
    digits = id[len(head) :]
    if not id.startswith(head) or not _number.fullmatch(digits):
        return None
    number = int(digits, 16)
    return number if number and f"{number:08x}" == digits else None


def ok_line(id: str, line: Line, answer: Answer) -> bytes:
    """A line of the output file."""
    return b'{"id":%b,"custom_id":%b,"response":%b,"error":null}\n' % (_text(id), _text(line.custom_id), _response(answer))


def failed_line(id: str, number: int, custom_id: str | None, answer: Answer | None, error: tuple[str, str] | None) -> bytes:
    """A line of the error file: what the server answered, or `error` (code, message) where there is no answer, or both."""
    return b'{"id":%b,"custom_id":%b,"response":%b,"error":%b,"line":%d}\n' % (
        _text(id),
        b"null" if custom_id is None else _text(custom_id),
        b"null" if answer is None else _response(answer),
        b"null" if error is None else b'{"code":%b,"message":%b}' % (_text(error[0]), _text(error[1])),
        number,
    )


def is_object(body: bytes) -> bool:
    """Whether an answer's body is a JSON object. What a proxy in between says of itself often is not."""
    try:
        body.decode()
        return isinstance(msgspec.json.decode(body), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _response(answer: Answer) -> bytes:
    head = b'{"status_code":%d,"request_id":%b,"body":' % (answer.status, _text(answer.request_id))
    return head + _body(answer.body) + b"}"


def _body(body: bytes) -> bytes:
    """The body as it came; on one line; where it is no JSON object, inside an error object."""
    if not is_object(body):
        text = body.decode("utf-8", "replace").strip() or "The server answered with an empty body."
        error = {"message": text, "type": "server_error", "param": None, "code": "invalid_answer"}
        body = b'{"error":%b}' % _json(error)
    if b"\n" in body or b"\r" in body:  # between values: inside a string they are escaped
        body = body.replace(b"\r", b" ").replace(b"\n", b" ")
    return _one_line(body)


def _text(value: str) -> bytes:
    return _one_line(_json(value))


def _json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair: only escapes can carry it
        return json.dumps(value).encode()


def _one_line(data: bytes) -> bytes:
    if data.isascii():
        return data
    return _breaks.sub(lambda found: _escapes[found[0]], data)
