"""How late the load generator itself is, and how busy: what has to be small for its figures to be the server's."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence

from benchmarks.loadgen.records import Delay
from benchmarks.loadgen.timer import Timer
from benchmarks.stats import percentile

EVERY = 0.005  # seconds between two looks


class Watch:
    """Between `start` and `stop`: a timer's lateness, the CPU time, and no garbage collection.

    The timer fires among the sockets' reads, so it is as late as the stamp of an event that came at the same moment.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.late: list[float] = []  # seconds
        self.due = 0.0
        self.timer: Timer | None = None
        self.wall = self.cpu = 0.0
        self.collected = False

    def start(self) -> None:
        self.collected = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        self.due = self.wall + EVERY
        self.timer = Timer(self.loop, self._fired)
        self.timer.at(self.due)

    def stop(self, sends: Sequence[float]) -> Delay:
        """What was seen; `sends`: lateness of each request, seconds."""
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        self.close()
        return Delay(*_milliseconds(self.late), *_milliseconds(sends), cpu=self.cpu / self.wall if self.wall else 0.0)

    def close(self) -> None:
        if self.timer is not None:
            self.timer.close()
            self.timer = None
            gc.unfreeze()
            if self.collected:
                gc.enable()

    def _fired(self) -> None:
        self.late += lateness(time.perf_counter(), self.due)
        self.due += EVERY * (int((time.perf_counter() - self.due) / EVERY) + 1)
        if self.timer is not None:
            self.timer.at(self.due)


def lateness(now: float, due: float) -> list[float]:
    """How late each look is that was due at `due` and every EVERY after it, up to `now`: one held up for long stands for many."""
    return [now - due - EVERY * number for number in range(max(int((now - due) / EVERY) + 1, 1))]


def _milliseconds(samples: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the highest; 0 without samples."""
    if not samples:
        return 0.0, 0.0, 0.0
    return percentile(samples, 50) * 1e3, percentile(samples, 99) * 1e3, max(samples) * 1e3
