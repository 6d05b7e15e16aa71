"""A detector of one guard for one text: timed, and with its guard's `on_error` where it fails."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from server.guards.base import Finding, Verdict

if TYPE_CHECKING:
    from server.guards.passage import Trail
    from server.guards.policy import Guard
    from server.guards.view import View


class GuardFailed(Exception):
    """A guard that must not fail open failed, or took too long."""

    def __init__(self, guard: str) -> None:
        super().__init__(guard)
        self.guard = guard


class Careful:
    """Raises GuardFailed where the guard is closed; where it is open, it finds nothing from then on."""

    def __init__(self, guard: Guard, trail: Trail) -> None:
        assert guard.detector is not None
        self.guard = guard
        self.trail = trail
        self.inner = guard.detector
        self.reach = self.inner.reach
        self.context = self.inner.context
        self.timeout = guard.settings.timeout
        self.seconds = 0.0
        self.down = False
        self.found = False

    def find(self, view: View, start: int = 0) -> list[Finding]:
        if self.down:
            return []
        began = time.perf_counter()
        try:
            found = self.inner.find(view, start)
        except Exception as error:
            self._fail(error)
            return []
        self._count(began)
        self.found = self.found or bool(found)
        return found

    def alive(self, view: View, start: int = 0) -> int:
        if self.down:
            return len(view.raw)
        began = time.perf_counter()
        try:
            found = self.inner.alive(view, start)
        except Exception as error:
            self._fail(error)
            return len(view.raw)
        self._count(began)
        return found

    def _count(self, began: float) -> None:
        self.seconds += time.perf_counter() - began
        if self.seconds > self.timeout and not self.down:
            self._fail(None)

    def _fail(self, error: Exception | None) -> None:
        name, side = self.guard.name, self.guard.side
        if error is not None:
            logging.getLogger("sllm").error("guard %s failed on a text of the %s: %s", name, side, type(error).__name__)
        self.down = True
        why = "it took too long" if error is None else type(error).__name__
        self.trail.add(Verdict(name, "error", side, why=why, seconds=self.seconds))
        if self.guard.settings.on_error == "closed":
            raise GuardFailed(name)
