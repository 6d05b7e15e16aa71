"""Steps that can be resumed: each is a process of its own, and its result is a file. What crashes takes nothing else with it.

    FOLDER/plan.json        where the steps come from: "module:function", and the options that it is called with
    FOLDER/steps/ID.json    how step ID ended, written aside and renamed; ID.log: what it said

A step that is done is not run again; one that failed is tried once more by the next run, and by every run with `again`. A step that
was interrupted leaves no file, so the next run does it. No step needs another's process: what they share lies in files.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from benchmarks.errors import BenchError, BenchUsageError

LIMIT = 480.0  # seconds that a step may take
MARGIN = 40.0  # seconds of them in which a step ends what it started
TRIES = 2  # of a step that fails, without `again`
PLAN = "plan.json"
LEFT = 75  # exit code of a step that is left for the next run (EX_TEMPFAIL of sysexits.h)


class OutOfTime(Exception):
    """The run's time is over, not the step's own: the step leaves no file, and is done by the next run."""


@dataclass(frozen=True)
class Context:
    """What a running step knows. `deadline`: time.monotonic() at which it should have begun to end, with what it has.

    `whole`: the deadline is the step's own. Else it is that of a run that ends (`limit_total`), and the next run can do better.
    """

    folder: Path
    step: str
    deadline: float
    whole: bool = True

    def left(self) -> float:
        """Seconds for more work."""
        return self.deadline - time.monotonic()

    def out_of_time(self) -> None:
        """To be called before results are taken that time has cut short. Raises OutOfTime where the next run will have more."""
        if not self.whole:
            raise OutOfTime

    def say(self, text: str) -> None:
        """A line for the step's log."""
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass(frozen=True)
class Step:
    """`run` returns the step's result, plain JSON, or raises. `seconds`: how long it takes, estimated."""

    id: str
    title: str
    run: Callable[[Context], dict[str, Any]]
    needs: tuple[str, ...] = ()
    seconds: float = 60.0


@dataclass
class State:
    """How a step ended. `result` is None for a step that failed, `cause` None for one that is done."""

    id: str
    title: str
    status: Literal["done", "failed"]
    cause: str | None
    attempts: int
    seconds: float
    started: str
    result: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Outcome:
    """How a run of the steps ended: `stopped` says why before the end, else None; `ran` are the ids of the steps that were run."""

    stopped: str | None
    ran: tuple[str, ...]


def write_plan(folder: Path, source: str, options: dict[str, Any]) -> list[Step]:
    """Note where the steps come from, and return them. Raises BenchUsageError where the folder holds the steps of something else:
    results of two matrices must not be mixed."""
    said = {"source": source, "options": options}
    file = folder / PLAN
    if file.exists() and read_json(file) != json.loads(json.dumps(said)):
        raise BenchUsageError(f"{folder} holds the steps of another run: name another folder with --out, or remove this one")
    write_json(file, said)
    return planned(folder)


def planned(folder: Path) -> list[Step]:
    """The steps that `folder` was made for."""
    said = read_json(folder / PLAN)
    if not said:
        raise BenchError(f"{folder / PLAN} is missing or broken: start again with another folder")
    module, _, function = said["source"].partition(":")
    steps: list[Step] = getattr(import_module(module), function)(said["options"])
    return steps


def read(folder: Path, step: str) -> State | None:
    """How the step ended; None where it was not run, or where its file is of no use."""
    found = read_json(folder / "steps" / f"{step}.json")
    with contextlib.suppress(TypeError):
        return State(**found) if found else None
    return None


def write(folder: Path, state: State) -> None:
    write_json(folder / "steps" / f"{state.id}.json", asdict(state))


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(file: Path, value: dict[str, Any]) -> None:
    """Aside, then renamed. Raises BenchError."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise BenchError(f"{file} cannot be written ({error.strerror}): name another folder with --out") from None


def chosen(steps: Sequence[Step], only: str | None) -> list[Step]:
    """The steps whose id is, or else holds, one of the comma-separated patterns (`gptq`, `llama*bf16`); capitals do not matter.

    None given: all. Raises BenchUsageError.
    """
    if only is None:
        return list(steps)
    whole = {step.id.lower() for step in steps}
    patterns = [part.strip().lower() for part in only.split(",") if part.strip()]
    patterns = [pattern if pattern in whole else f"*{pattern}*" for pattern in patterns]
    found = [step for step in steps if any(fnmatch.fnmatchcase(step.id.lower(), pattern) for pattern in patterns)]
    if not found:
        raise BenchUsageError(f"no step matches --only {only}: the steps are {', '.join(step.id for step in steps)}")
    return found


def due(folder: Path, step: Step, *, again: bool) -> str | None:
    """None where the step is to be run now; else why not."""
    state = read(folder, step.id)
    if state and state.status == "done":
        return "done"
    if state and state.attempts >= TRIES and not again:
        return f"failed {state.attempts} times: {state.cause}"
    for other in step.needs:
        before = read(folder, other)
        if before is None or before.status != "done":
            return f"needs the step {other}, which is not done"
    return None


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    only: str | None = None,
    again: bool = False,
    limit: float = LIMIT,
    *,
    limit_total: float | None = None,
    say: Callable[[str], None] = print,
    after: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run the steps that are due, each in its process, each under `limit` seconds. `after` is called when one has ended.

    `limit_total`: seconds for all; a step that is not expected to fit in what is left is not begun, and one that does not end in
    it is stopped and not counted as failed. Ctrl-C stops the running step and keeps what is done.
    """
    from benchmarks.suite.child import Ended, run_child

    began = time.monotonic()
    ran: list[str] = []
    wanted = chosen(steps, only)
    for place, step in enumerate(wanted, 1):
        name = f"[{place}/{len(wanted)}] {step.id}"
        if why := due(folder, step, again=again):
            say(f"{name}: {why}")
            continue
        left = float("inf") if limit_total is None else limit_total - (time.monotonic() - began)
        if left < step.seconds:
            return Outcome(f"the time of this run is over ({limit_total:.0f} s): the same command goes on with {step.id}", tuple(ran))
        say(f"{name}: {step.title} (about {step.seconds:.0f} s)")
        ended: Ended = run_child(folder, step, min(limit, left), whole=left >= limit)
        ran.append(step.id)
        if ended.stopped:
            return Outcome(ended.stopped, tuple(ran))
        state = read(folder, step.id)
        assert state is not None  # run_child writes it where the step did not
        say(f"{name}: {state.status} in {state.seconds:.0f} s" + (f": {state.cause}" if state.cause else ""))
        after()
    return Outcome(None, tuple(ran))
