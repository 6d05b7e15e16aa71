"""The guards' metrics (Prometheus). Labels are bounded: guards of the configuration, verdicts, sides.

They are counted when the loop comes around: what was judged goes out first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from server.guards.base import Verdict

SECONDS = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class GuardMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._verdicts = Counter("sllm_guard_verdicts", "What guards said.", ("guard", "verdict", "stage"), registry=registry)
        self._errors = Counter("sllm_guard_errors", "Guards that failed or took too long.", ("guard",), registry=registry)
        self._seconds = Histogram(
            "sllm_guard_seconds",
            "Time of a guard on a request or a part of an answer.",
            ("guard",),
            buckets=SECONDS,
            registry=registry,
        )

        self._counts: dict[tuple[str, str, str], Callable[[], None]] = {}  # `labels()` costs more than counting
        self._times: dict[str, Callable[[float], None]] = {}

    def told(self, verdict: Verdict) -> None:
        _soon(self._told, verdict)

    def took(self, guard: str, seconds: float) -> None:
        _soon(self._took, guard, seconds)

    def _told(self, verdict: Verdict) -> None:
        key = (verdict.guard, verdict.said, verdict.side)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = self._verdicts.labels(*key).inc
        count()
        if verdict.said == "error":
            self._errors.labels(verdict.guard).inc()
        if verdict.seconds:
            self._took(verdict.guard, verdict.seconds)

    def _took(self, guard: str, seconds: float) -> None:
        time = self._times.get(guard)
        if time is None:
            time = self._times[guard] = self._seconds.labels(guard).observe
        time(seconds)


def _soon(count: Callable[..., None], *args: object) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        count(*args)
    else:
        loop.call_soon(count, *args)
