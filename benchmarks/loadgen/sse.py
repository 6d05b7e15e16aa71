"""Server-sent events out of a byte stream that may be cut anywhere (WHATWG HTML, 9.2.6 Interpreting an event stream)."""

from __future__ import annotations

import re

LINE_END = re.compile(rb"\r\n|\n|\r")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Events:
    """Gives the data of each event as soon as its last byte is in. Only `data` counts: comments, names and ids are left out.

    Bytes, not text: a character that is cut in two is whole again before anything decodes it.
    """

    __slots__ = ("begun", "lines", "skip_newline", "tail")

    def __init__(self) -> None:
        self.begun = False  # the first line is over: no byte order mark can come
        self.skip_newline = False  # the last byte was a CR that ended a line: an LF after it ends no other
        self.lines: list[bytes] = []  # the data lines of the event that is not over
        self.tail = b""  # the line that is not over

    def feed(self, data: bytes) -> list[bytes]:
        """The data of every event that ends in `data`, in order."""
        end = len(data) - 2  # most reads are one event of one line: told with a few looks at the bytes (10: LF, 13: CR)
        if data.find(b"\n") == end and data[:6] == b"data: " and data[-1] == 10 and 13 not in data and not self.tail and not self.lines:
            self.begun = True
            self.skip_newline = False
            return [data[6:end]] if end > 6 else []
        return self._feed(data)

    def rest(self) -> bytes:
        """The data of an event that the end of the stream left open, b"" without one.

        The standard drops it. Servers that forget the last empty line are common, and their clients read it.
        """
        if self.tail:
            self._line(self.tail)
        return b"\n".join(self.lines)

    def _feed(self, data: bytes) -> list[bytes]:
        if self.skip_newline and data:
            self.skip_newline = False
            data = data[1:] if data[:1] == b"\n" else data
        *lines, self.tail = LINE_END.split(self.tail + data)
        self.skip_newline = data[-1:] == b"\r"
        events = []
        for line in lines:
            if line:
                self._line(line)
            elif self.lines:
                if event := b"\n".join(self.lines):
                    events.append(event)
                self.lines = []
        return events

    def _line(self, line: bytes) -> None:
        if not self.begun:
            self.begun = True
            line = line.removeprefix(BYTE_ORDER_MARK)
        name, _, value = line.partition(b":")
        if name == b"data":
            self.lines.append(value.removeprefix(b" "))
