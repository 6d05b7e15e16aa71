"""One engine process tree under its guardian: start, ask to end, end, and the tail of its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.engine.guardian import descendants

GUARDIAN = Path(__file__).with_name("guardian.py")
KEPT_LOGS = 3


class EngineProcess:
    """A running engine. `pid` is its API server's; `exited` ends with its exit status, negative for a signal."""

    def __init__(self, guardian: asyncio.subprocess.Process, log: Path):
        self.guardian = guardian
        self.log = log
        self.pid = 0
        self.started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Task[int] = asyncio.create_task(self._follow())

    @classmethod
    async def start(cls, argv: Sequence[str], env: Mapping[str, str], log: Path) -> EngineProcess:
        """Start `argv` under a guardian, its output in the file `log` (earlier ones are kept as .1, .2, .3)."""
        rotate(log)
        with log.open("wb") as output:
            guardian = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(GUARDIAN),
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env=dict(env),
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor
            )
        process = cls(guardian, log)
        await process.started
        return process

    async def stop(self, grace: float) -> int:
        """Ask the engine to end, and end its tree after `grace` seconds. Returns the exit status."""
        self._order(b"term\n")
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.exited), grace)
        return await self.kill()

    async def kill(self) -> int:
        """End the tree now, whatever state it is in. Returns the exit status."""
        self._order(b"kill\n")
        return await asyncio.shield(self.exited)

    def cpu_seconds(self) -> float:
        """CPU time that the engine's processes have used, seconds."""
        ticks = 0
        for pid in descendants(self.guardian.pid):
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def tail(self, size: int = 64 * 1024) -> str:
        """The last `size` bytes of the log, as text."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - size))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def _order(self, order: bytes) -> None:
        if self.guardian.stdin and not self.exited.done():
            with contextlib.suppress(OSError):
                self.guardian.stdin.write(order)

    async def _follow(self) -> int:
        """Read the guardian's reports to their end."""
        assert self.guardian.stdout is not None
        status: int | None = None
        async for line in self.guardian.stdout:
            word, _, number = line.decode().partition(" ")
            if word == "pid":
                self.pid = int(number)
                self.started.set_result(self.pid)
            elif word == "exit":
                status = int(number)
        await self.guardian.wait()
        if status is None and self.pid:
            # The guardian itself was killed: the engine's session is ours to end.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        if not self.started.done():
            self.started.set_result(0)
        return -signal.SIGKILL if status is None else status


def rotate(log: Path, keep: int = KEPT_LOGS) -> None:
    """Move `log` to log.1, log.1 to log.2, and so on; the oldest goes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(keep, 0, -1):
        older = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
