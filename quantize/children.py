"""Programs run under the janitor: their lines as they come, their memory while they run, their exit status."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from quantize import janitor
from quantize.errors import MethodFailed

ROOT = Path(__file__).resolve().parent.parent
TICK = 0.5  # seconds between two looks at a program's memory
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a program and of all that it has started: now, and the highest seen."""

    now: int = 0
    peak: int = 0


UNKNOWN = Memory()


class Children:
    """Whoever goes away first, `folder` is removed and no program is left: the janitor sees to it.

    `held` are descriptors that stay open as long as anything is left to clean up (a lock); `grace` is how many seconds a
    program that is asked to end gets for it.
    """

    def __init__(self, folder: Path, held: Iterable[int] = (), environ: Mapping[str, str] = os.environ, grace: float = janitor.GRACE):
        self.folder = folder
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self.janitor = subprocess.Popen(
                [sys.executable, "-I", "-S", janitor.__file__, str(other.fileno()), str(folder), str(grace)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whoever reads the command's output must not wait for us
                stderr=subprocess.DEVNULL,
                env={**environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")]))},
                pass_fds=(other.fileno(), *held),
                start_new_session=True,  # Ctrl-C in the terminal is for the command
            )

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every program and remove the folder; returns once that is done."""
        self.socket.close()
        self.janitor.wait()
        shutil.rmtree(self.folder, ignore_errors=True)  # where somebody killed the janitor

    def run(
        self,
        words: Sequence[str],
        log: Path,
        hear: Callable[[str], None],
        watch: Callable[[Memory], None] = lambda _: None,
        cwd: Path | None = None,
    ) -> int:
        """Run a program to its end; its exit status, negative for a signal. Its stdout is heard line by line, its stderr
        goes to the end of the file `log`; it works in `cwd`, none: here. Raises MethodFailed when the janitor is gone."""
        read, write = os.pipe()
        with open(read, "rb", buffering=0) as out, log.open("ab") as err:
            try:
                socket.send_fds(
                    self.socket, [json.dumps({"words": list(words), "cwd": str(cwd or Path.cwd())}).encode()], [write, err.fileno()]
                )
            except OSError:
                raise self._gone() from None
            finally:
                os.close(write)
            return self._follow(out.fileno(), _Lines(hear), watch)

    def _follow(self, out: int, lines: _Lines, watch: Callable[[Memory], None]) -> int:
        pid, peak, status, reading = 0, 0, None, True
        reports = self.socket.fileno()
        while status is None or reading:
            ready, _, _ = select.select([*([out] if reading else []), *([reports] if status is None else [])], [], [], TICK)
            if out in ready:
                reading = lines.feed(os.read(out, 2**16))
            if reports in ready:
                told = self._told()
                pid, status = told.get("pid", pid), told.get("exit")
            if pid and status is None and (now := resident(pid)):
                peak = max(peak, now, high_water(pid))
                watch(Memory(now, peak))
        return status

    def _told(self) -> dict[str, int]:
        try:
            packet = self.socket.recv(512)
        except OSError:
            packet = b""
        if not packet:
            raise self._gone()
        told: dict[str, int] = json.loads(packet)
        return told

    def _gone(self) -> MethodFailed:
        return MethodFailed("the process that watches over the work (quantize/janitor.py) was ended from outside: start again")


class _Lines:
    """Bytes as they come, handed on as whole lines."""

    def __init__(self, hear: Callable[[str], None]):
        self.hear, self.rest = hear, b""

    def feed(self, data: bytes) -> bool:
        """Whether there is more to come."""
        *whole, self.rest = (self.rest + data).split(b"\n") if data else (self.rest, b"")
        for line in whole:
            if line.strip():
                self.hear(line.decode(errors="replace"))
        return bool(data)


def resident(pid: int) -> int:
    """Resident bytes of `pid` and everything below it; 0 once it has ended."""
    total = 0
    for one in (pid, *janitor.descendants(pid)):
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE
    return total


def high_water(pid: int) -> int:
    """The most resident bytes that `pid` itself has had (VmHWM); 0 once it has ended."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
