"""A timer for an event loop that is right to microseconds: Linux's timerfd, elsewhere the loop's own (milliseconds)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
import time
from collections.abc import Callable

CLOCK_MONOTONIC = 1  # what time.perf_counter reads on Linux
LIBC = ctypes.CDLL(None)
NONBLOCK, CLOEXEC, ABSOLUTE = 0o4000, 0o2000000, 1


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("first", _Time))


class Timer:
    """Calls `fired` at a time of time.perf_counter that `at` names. One time at a time; a later `at` replaces it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fired: Callable[[], None]) -> None:
        self.loop, self.fired = loop, fired
        self.handle: asyncio.TimerHandle | None = None
        self.file = _open()
        if self.file is not None:
            loop.add_reader(self.file, self._read)

    def at(self, when: float) -> None:
        if self.file is None:
            if self.handle is not None:
                self.handle.cancel()
            self.handle = self.loop.call_later(max(when - time.perf_counter(), 0.0), self.fired)
            return
        nanoseconds = max(int(when * 1e9), 1)  # 0 would stop it
        setting = _Setting(_Time(0, 0), _Time(*divmod(nanoseconds, 10**9)))
        LIBC.timerfd_settime(self.file, ABSOLUTE, ctypes.byref(setting), None)

    def close(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
        if self.file is not None:
            self.loop.remove_reader(self.file)
            os.close(self.file)
            self.file = None

    def _read(self) -> None:
        if self.file is None:
            return
        with contextlib.suppress(BlockingIOError):
            struct.unpack("Q", os.read(self.file, 8))
            self.fired()


def _open() -> int | None:
    """A timerfd, None where there is none or where the clock is another one."""
    if "CLOCK_MONOTONIC" not in time.get_clock_info("perf_counter").implementation:
        return None
    try:
        file = LIBC.timerfd_create(CLOCK_MONOTONIC, NONBLOCK | CLOEXEC)
    except (OSError, AttributeError):
        return None
    return file if file >= 0 else None
