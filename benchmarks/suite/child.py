"""One step's process, seen from outside: started, given its time, ended with everything that it started."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parent import adopt_orphans, die_with_parent, environment, module
from benchmarks.suite.steps import LEFT, State, Step, read, write

ENDING = 45.0  # seconds for a step to end an engine before it is killed
OVER = "the time of this run is over: the same command goes on with the step that was cut off"
TAIL = 400  # characters of its log that a crash is explained with


@dataclass(frozen=True)
class Ended:
    """`stopped`: why the whole run is to end here; None: the step's file says how it ended."""

    stopped: str | None = None


def run_child(folder: Path, step: Step, limit: float, *, whole: bool) -> Ended:
    """Run the step for at most `limit` seconds. `whole`: those are the step's own; else what is left of the run's, and a step that
    is cut off by it is left for the next run."""
    before = read(folder, step.id)
    attempts = (before.attempts if before else 0) + 1
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    log = folder / "steps" / f"{step.id}.log"
    started, began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    adopt_orphans()
    others = set(below(os.getpid()))
    with log.open("ab") as out:
        child = subprocess.Popen(
            module("benchmarks.suite.one", str(folder.resolve()), step.id, str(attempts), f"{limit:.1f}", str(int(whole))),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for us, and we end it
            preexec_fn=die_with_parent(os.getpid()),
        )
    cause = None
    try:
        code = child.wait(limit)
        if code == LEFT:
            return Ended(OVER)
        if code == 0 or ((now := read(folder, step.id)) is not None and now.attempts == attempts):
            return Ended()
        cause = f"it ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with code {code}"
        cause += f"; the end of its log, {log.name}: {tail(log)}"
    except subprocess.TimeoutExpired:
        if not whole:
            return Ended(OVER)
        cause = f"it took longer than {limit:.0f} s; the end of its log, {log.name}: {tail(log)}"
    except KeyboardInterrupt:
        return Ended(f"interrupted at {step.id}: the same command goes on there")
    finally:
        end(child)
        clear(others)
    write(folder, State(step.id, step.title, "failed", cause, attempts, round(time.monotonic() - began, 1), started))
    return Ended()


def end(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM, on which the step ends its engine; then SIGKILL to what is left of its process group and below it."""
    try:
        if child.poll() is None:
            child.terminate()
            child.wait(ENDING)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C does not leave an engine behind either
        for pid in reversed(below(child.pid)):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def clear(others: set[int]) -> None:
    """Wait for what a crashed step left behind (its `sllm serve` ends itself, and became our child), and kill what stays: the next
    step must find the device free. `others`: what was there before the step."""
    until = time.monotonic() + ENDING
    while left := [pid for pid in below(os.getpid()) if pid not in others]:
        for pid in left:
            if time.monotonic() > until:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):  # ours by adoption are waited for here; others' children by their parents
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def below(pid: int) -> list[int]:
    """The process and its descendants, parents first."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def tail(log: Path) -> str:
    """The last words of a log, on one line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "nothing"
    return " ".join(text.split())[-TAIL:] or "nothing"
