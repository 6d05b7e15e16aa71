"""Server-sent events on their way from the engine to the client (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Bytes pass as they came. One event is looked at: the usage chunk that ends a stream. The gateway asks its own
engines for it (`stream_options.include_usage`) and takes it out again where the client did not ask, since
clients written without it read `choices[0]` of every chunk.
"""

from __future__ import annotations

import msgspec

from server.errors import RequestError

MAX_HELD = 64 * 2**10  # a usage chunk is below 1 KiB; an event longer than this is none and passes


class Usage(msgspec.Struct):
    """Token counts as chat and completions name them, and as responses do."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        return self.prompt_tokens or self.input_tokens, self.completion_tokens or self.output_tokens


class _Response(msgspec.Struct):
    usage: Usage | None = None


class _Chunk(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: Usage | None = None
    response: _Response | None = None  # response.completed of /v1/responses


_chunk = msgspec.json.Decoder(_Chunk)


class UsageFilter:
    """Reads the usage of one stream, and takes its chunk out where `strip` says so.

    `feed` gives what may go out. An event that is cut by a TCP segment waits for its other part.
    `usage` holds the last counts seen: (prompt tokens, completion tokens).
    """

    __slots__ = ("_passing", "_tail", "strip", "usage")

    def __init__(self, strip: bool) -> None:
        self.strip = strip
        self.usage: tuple[int, int] | None = None
        self._tail = b""  # the start of an event
        self._passing = False  # inside an event too long to be a usage chunk

    def feed(self, data: bytes) -> bytes:
        if self._tail:
            data = self._tail + data
            self._tail = b""
        elif not self._passing and data.endswith(b"\n\n") and b'"usage"' not in data:
            return data  # whole events and none of them ours: nearly every call
        return self._slow(data)

    def finish(self) -> bytes:
        """What is still held when the stream ends inside an event."""
        tail, self._tail = self._tail, b""
        return tail

    def _slow(self, data: bytes) -> bytes:
        out = b""
        if self._passing:
            end = _end_of_event(data, 0)
            if end < 0:
                # One line end is kept back, the second may come with the next segment.
                keep = _trailing_newlines(data)
                self._tail = data[len(data) - keep :]
                return data[: len(data) - keep]
            out, data = data[:end], data[end:]
            self._passing = False
        end = _last_event_end(data, 0, len(data))
        whole, self._tail = data[:end], data[end:]
        out += self._filter(whole)
        if len(self._tail) > MAX_HELD:
            cut = len(self._tail) - _trailing_newlines(self._tail)
            out, self._tail = out + self._tail[:cut], self._tail[cut:]
            self._passing = True
        return out

    def _filter(self, events: bytes) -> bytes:
        """Whole events without a usage chunk that is to be taken out. Only those that name usage are looked at."""
        kept = []
        start = 0
        while (at := events.find(b'"usage"', start)) >= 0:
            begin, end = _last_event_end(events, start, at), _end_of_event(events, at)
            kept.append(events[start : end if not self._is_usage_chunk(events[begin:end]) else begin])
            start = end
        kept.append(events[start:])
        return b"".join(kept)

    def _is_usage_chunk(self, event: bytes) -> bool:
        """Note the event's usage. True if it is to be taken out."""
        try:
            chunk = _chunk.decode(_data(event))
        except (msgspec.DecodeError, RecursionError):
            return False
        usage = chunk.usage or (chunk.response and chunk.response.usage)
        if not usage:
            return False
        self.usage = usage.counts
        return self.strip and chunk.choices == []


def error_event(error: RequestError) -> bytes:
    """The event that ends a stream which broke: the `openai` package raises APIError with its message."""
    return b"data: " + error.body() + b"\n\n"


def _data(event: bytes) -> bytes:
    """The data lines of an event, without their field names."""
    if event.startswith(b"data: ") and b"\n" not in event[:-2].rstrip(b"\r\n"):
        return event[6:]
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def _end_of_event(data: bytes, start: int) -> int:
    """The index after the first empty line from `start` on, or -1."""
    ends = [i + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (i := data.find(mark, start)) >= 0]
    return min(ends) if ends else -1


def _last_event_end(data: bytes, start: int, stop: int) -> int:
    """The index after the last empty line between `start` and `stop`, or `start`."""
    ends = [i + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (i := data.rfind(mark, start, stop)) >= 0]
    return max(ends, default=start)


def _trailing_newlines(data: bytes) -> int:
    """How many bytes at the end may belong to an empty line that is not whole yet."""
    return min(len(data) - len(data.rstrip(b"\r\n")), 3)
