"""Steps for the tests of the machinery: small, and made for going wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.suite.steps import Context, Step

SOURCE = "tests.benchmarks.suite.fakes:plan"


def plan(options: dict[str, Any]) -> list[Step]:
    return [Step(name, f"the step {name}", partial(STEPS[name], options=options), needs, seconds=1.0) for name, needs in options["steps"]]


def good(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    with (context.folder / "ran.txt").open("a") as file:
        file.write(f"{context.step}\n")
    return {"said": options.get("word"), "process": os.getpid()}


def refused(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    good(context, options)
    raise BenchError("the GPU is busy: wait for it")


def broken(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    return {"never": {}["there"]}


def once(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    """Fails the first time."""
    mark = context.folder / "once"
    if mark.exists():
        return {}
    mark.touch()
    raise BenchError("not the first time")


def crash(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    context.say("about to crash")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def orphaning(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    """Dies and leaves behind a process in a session of its own, as an engine would be."""
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (context.folder / "orphan").write_text(str(left.pid))
    return crash(context, options)


def slow(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    """Starts a process and waits; ends it when told to."""
    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (context.folder / "inner").write_text(str(inner.pid))
    try:
        time.sleep(600)
    finally:
        inner.terminate()
        inner.wait()
        (context.folder / "ended").touch()
    return {}


def stubborn(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    """Does not listen to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (context.folder / "inner").write_text(str(os.getpid()))
    time.sleep(600)
    return {}


def deadline(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    return {"left": context.left()}


def cut_short(context: Context, options: dict[str, Any]) -> dict[str, Any]:
    context.out_of_time()
    return {"cut": True}


KINDS = (cut_short, good, refused, broken, once, crash, orphaning, slow, stubborn, deadline)
STEPS: dict[str, Any] = {kind.__name__: kind for kind in KINDS} | {"other": good, "third": good}


def wait_for(file: Path, seconds: float = 20.0) -> str:
    """The content of a file once it is there. Raises AssertionError when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{file} did not come")


def gone(pid: int, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.02)
    return False
