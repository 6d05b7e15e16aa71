"""One JSON line a request on stderr, written in batches: a system call for each would be felt."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from server.gateway.call import Call

FULL = 512  # lines after which a batch does not wait for the tick


class Line(msgspec.Struct, omit_defaults=True):
    """`ms` and `first_ms` are milliseconds from the request's headers; `status` 499: the client left before the answer."""

    time: str
    id: str
    method: str
    path: str
    status: int
    ms: float
    model: str | None = None
    stream: bool = False
    first_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    client: str | None = None
    error: str | None = None
    disconnected: bool = False


class AccessLog:
    def __init__(self, write: Callable[[bytes], object], clock: Callable[[], float] = time.time) -> None:
        self.write = write
        self.clock = clock
        self.lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self._second = 0
        self._text = ""

    def add(self, call: Call, status: int, elapsed: float) -> None:
        """`elapsed` in seconds."""
        client = call.scope.get("client")
        line = Line(
            self._now(),
            call.request_id.decode("ascii"),
            call.scope["method"],
            call.path,
            status,
            round(elapsed * 1000, 3),
            call.target.name if call.target is not None else call.model and call.model[:100],
            call.stream,
            round((call.first - call.when) * 1000, 3) if call.first else None,
            call.prompt_tokens,
            call.completion_tokens,
            client[0] if client else None,
            call.error_code,
            call.gone,
        )
        self.lines.append(self._encode(line))
        if len(self.lines) >= FULL:
            self.flush()

    def flush(self) -> None:
        if self.lines:
            lines, self.lines = self.lines, []
            lines.append(b"")
            self.write(b"\n".join(lines))

    def _now(self) -> str:
        """UTC in ISO 8601 with milliseconds."""
        now = self.clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((now - second) * 1000):03d}Z"
