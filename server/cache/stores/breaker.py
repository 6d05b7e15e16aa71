"""When a store is not asked: after failures in a row, until it has answered a ping.

No request is used to find out: the ping is sent in the background.
"""

from __future__ import annotations

from collections.abc import Callable

FAILURES = 3  # in a row
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0  # seconds between pings, doubled each time


class Breaker:
    """`call_later(seconds, function)` is the event loop's. `ping` is started when a pause is over; it ends in
    `ping_succeeded()` or `ping_failed()`."""

    def __init__(self, call_later: Callable[[float, Callable[[], None]], object], ping: Callable[[], None]) -> None:
        self.open = False
        self._call_later = call_later
        self._ping = ping
        self._failures = 0
        self._pause = FIRST_PAUSE

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        """A look-up that failed or took too long."""
        self._failures += 1
        if not self.open and self._failures >= FAILURES:
            self.open = True
            self._pause = FIRST_PAUSE
            self._call_later(self._pause, self._ping)

    def ping_failed(self) -> None:
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._call_later(self._pause, self._ping)

    def ping_succeeded(self) -> None:
        self.open = False
        self._failures = 0
