"""Server-sent events of an answer, one by one, and the JSON in them.

The standard's rules (https://html.spec.whatwg.org/multipage/server-sent-events.html): lines end with `\\n`, `\\r\\n` or `\\r`,
an empty line ends an event, several `data` lines are one text, a line that begins with a colon is a comment.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"
MAX_EVENT = 32 * 2**20  # bytes; the last event of /v1/responses holds the whole answer

_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")  # a last \r may be half of \r\n
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Unreadable(Exception):
    """An answer of a form in which texts cannot be told from the rest: it must not be shown."""


class Splitter:
    """Bytes in, cut anywhere; whole events out, each with the empty line that ends it."""

    __slots__ = ("_begun", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Raises Unreadable where an event never ends."""
        start = max(0, len(self._tail) - 3)
        whole: bytes | bytearray = data
        if self._tail:
            self._tail += data
            whole = self._tail
        if not self._begun and len(whole) >= len(_BOM):
            self._begun = True
            if whole.startswith(_BOM):
                whole = whole[len(_BOM) :]
            start = 0
        events = []
        begin = 0
        while (found := _END.search(whole, start)) is not None:
            start = found.end()
            events.append(bytes(whole[begin:start]))
            begin = start
        if begin or whole is not self._tail:
            self._tail = bytearray(whole[begin:])
        if len(self._tail) > MAX_EVENT:
            raise Unreadable("an event without end")
        return events

    def finish(self) -> bytes:
        """What a stream left that ended inside an event."""
        tail, self._tail = bytes(self._tail), bytearray()
        return tail


def data_of(event: bytes) -> bytes | None:
    """The data of an event; None where it has none (a comment, an empty line)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:") or line == b"data"]
    return b"\n".join(lines) if lines else None


def remade(event: bytes, data: Any) -> bytes:
    """`event` with another JSON value; its comments and other fields stay."""
    payload = b"data: " + encode(data) + b"\n\n"
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return payload
    others = [line for line in event.splitlines() if line and not line.startswith(b"data:") and line != b"data"]
    return b"".join(line + b"\n" for line in others) + payload


def event_of(data: Any) -> bytes:
    """An event of chat and completions."""
    return b"data: " + encode(data) + b"\n\n"


def named(data: dict[str, Any]) -> bytes:
    """An event of responses, named by its own `type`."""
    return b"event: " + str(data["type"]).encode() + b"\ndata: " + encode(data) + b"\n\n"


def decode(data: bytes) -> Any:
    """The JSON value. Halves of a surrogate pair (`\\ud83d`) are read as they stand. Raises Unreadable."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeError):
        pass
    except RecursionError:
        raise Unreadable("JSON that is too deep") from None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("JSON that is malformed") from None


def encode(value: Any) -> bytes:
    """JSON without spaces. Halves of a surrogate pair, which are no UTF-8, are escaped."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
