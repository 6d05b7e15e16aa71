"""Keeps a stream's bytes as they come, and reads them when it has ended."""

from __future__ import annotations

from collections.abc import Callable

from server.cache.entry import KINDS
from server.cache.shapes import choices, responses
from server.cache.shapes.answer import ODD, Recorded


class Recorder:
    """Fed with the engine's bytes, split anywhere. Nothing is read before the end, so that a stream passes unhindered."""

    __slots__ = ("_clock", "_held", "_max", "_path", "_pieces", "_reads")

    def __init__(self, path: str, max_bytes: int, clock: Callable[[], float] | None = None) -> None:
        self._path = path
        self._max = max_bytes
        self._clock = clock
        self._held = 0
        self._pieces: list[bytes] | None = []
        self._reads: list[tuple[int, float]] = []

    @property
    def gave_up(self) -> bool:
        """Whether the stream has grown too long; what is fed from then on is not held."""
        return self._pieces is None

    def feed(self, data: bytes) -> None:
        if self._pieces is None:
            return
        self._held += len(data)
        if self._held > self._max:
            self._pieces = None
            self._reads = []
            return
        self._pieces.append(data)
        if self._clock is not None:
            self._reads.append((self._held, self._clock()))

    def finish(self) -> Recorded | None:
        """The answer; None where it is not complete: no finish reason for every choice, no [DONE], an error, too long."""
        if self._pieces is None:
            return None
        return read_stream(self._path, b"".join(self._pieces), self._reads)


def recorder(path: str, max_bytes: int, clock: Callable[[], float] | None = None) -> Recorder:
    """A recorder of one stream of the route `path`, up to `max_bytes`. With a `clock` (seconds) its pace is kept too."""
    return Recorder(path, max_bytes, clock)


def read_stream(path: str, stream: bytes, reads: choices.Reads = ()) -> Recorded | None:
    """The answer that a whole `stream` of the route `path` tells; None where it is not complete. Raises nothing.

    `reads` are (bytes so far, seconds) of each read of it, for its pace.
    """
    kind = KINDS.get(path)
    if kind is None or kind == "embeddings":
        return None
    try:
        return responses.read_stream(stream, reads) if kind == "responses" else choices.read_stream(kind, stream, reads)
    except ODD:
        return None
