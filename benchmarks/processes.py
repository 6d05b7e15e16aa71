"""Servers under measurement: started on chosen cores, watched through /proc, stopped with everything they started."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer
from rich.console import Console

from benchmarks.parent import environment

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Processes started inside run on `cores`; where a machine has fewer, on all of them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, (cores & before) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def said_plainly(console: Console) -> Iterator[None]:
    """What a server does wrong is one sentence and exit code 1, no traceback."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        console.print(f"[red]error:[/] {error}", soft_wrap=True)
        raise typer.Exit(1) from None


class Server:
    """A server process and its children. `command` is started without a shell, in a process group of its own."""

    def __init__(
        self, name: str, command: str, port: int, cores: set[int], environ: Mapping[str, str] | None = None, log: str | None = None
    ):
        self.name, self.command, self.port = name, command, port
        with on_cores(cores), open(log or os.devnull, "ab") as out:
            argv, env = shlex.split(command), {**environment(), **(environ or {})}
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, start_new_session=True)

    def pids(self) -> list[int]:
        """The process and all its descendants."""
        parents = {int(p.name): parent for p in Path("/proc").iterdir() if p.name.isdigit() and (parent := _parent(p))}
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """CPU time of all its processes, user and system, seconds (resolution 1/100 s)."""
        return sum(_cpu_ticks(pid) for pid in self.pids()) / TICKS

    def peak_memory(self) -> dict[int, int]:
        """Bytes of VmHWM (peak resident set since start) for each of its processes; the one that serves is the largest user of CPU."""
        return {pid: peak for pid in sorted(self.pids(), key=_cpu_ticks, reverse=True) if (peak := _status_bytes(pid, "VmHWM"))}

    def wait_until(self, path: str, body: bytes | None, timeout: float) -> float:
        """Seconds until `path` first answers 200 (POST of `body`, else GET). Raises RuntimeError when it ends or never does."""
        started, last = time.monotonic(), ""
        while time.monotonic() - started < timeout:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with code {self.process.returncode}: try it by hand: {self.command}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, text = fetch(self.port, path, body)
                if status == 200:
                    return time.monotonic() - started
                last = f" (last: {status} {text[:200].decode(errors='replace')})"
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not answer {path} in {timeout:.0f} s{last}: try it by hand: {self.command}")

    def stop(self, timeout: float = 20.0) -> None:
        """SIGTERM to the process, and after its end, or after `timeout` seconds, SIGKILL to what is left of its group."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5.0)


def fetch(port: int, path: str, body: bytes | None = None, timeout: float = 10.0) -> tuple[int, bytes]:
    """Status and body of one request to loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST" if body else "GET", path, body, {"content-type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def raise_file_limit() -> None:
    """As many open files as this process may have: a thousand connections need more than the usual 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def machine_ticks() -> tuple[int, int]:
    """(busy, stolen) clock ticks of the whole machine since it started, from /proc/stat."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + irq + softirq, steal


def own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def resident(pid: int) -> int:
    """Bytes of a process that are in memory and are no file's."""
    return _status_bytes(pid, "RssAnon") + _status_bytes(pid, "RssShmem")


def _parent(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def _cpu_ticks(pid: int) -> int:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def _status_bytes(pid: int, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0
