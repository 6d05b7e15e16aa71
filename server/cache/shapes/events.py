"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as the API writes them: one `data` an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


def event(data: Any) -> bytes:
    """An event of chat and completions."""
    return b"data: " + _encode(data) + b"\n\n"


def named(data: dict[str, Any]) -> bytes:
    """An event of responses, named by its own `type`."""
    return b"event: " + str(data["type"]).encode() + b"\ndata: " + _encode(data) + b"\n\n"


def tidy(stream: bytes) -> bytes:
    """`stream` with each event ended by one empty line, `\\n` for line ends, and without comments and keep-alives."""
    if b"\r" in stream:
        stream = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n:" not in stream and b"\n\n\n" not in stream and not stream.startswith((b":", b"\n")):
        return stream
    kept = []
    for block in stream.split(b"\n\n"):
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        if lines:
            kept.append(b"\n".join(lines) + b"\n\n")
    return b"".join(kept)


def split(stream: bytes) -> list[bytes]:
    """The events of a tidy stream, each with its empty line; what follows the last empty line is no event."""
    blocks = stream.split(b"\n\n")
    return [block + b"\n\n" for block in blocks[:-1]]


def data_of(event: bytes) -> bytes:
    """The data of an event; several data lines are one text (the standard joins them by line ends)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


def pauses(ends: Sequence[tuple[int, float]], events: Sequence[bytes]) -> tuple[float, ...]:
    """Seconds before each of `events`, where `ends` tells (bytes so far, when) of each read. The first waits for nothing."""
    times = []
    reads = iter(ends)
    upto, when = next(reads, (0, 0.0))
    for end in accumulate(map(len, events)):
        while upto < end:
            upto, when = next(reads, (end, when))
        times.append(when)
    return tuple(round(max(0.0, b - a), 4) for a, b in zip(times[:1] + times, times, strict=False))


def spread(events: Sequence[bytes], seconds: Sequence[float]) -> Iterator[tuple[float, bytes]]:
    """(seconds to wait, bytes), with events that came together sent together."""
    held: list[bytes] = []
    waited = 0.0
    for wait, part in zip(seconds, events, strict=False):
        if wait > 0 and held:
            yield waited, b"".join(held)
            held, waited = [], wait
        elif wait > 0:
            waited = wait
        held.append(part)
    held += events[len(seconds) :]
    if held:
        yield waited, b"".join(held)
