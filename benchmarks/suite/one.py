"""One step in this process: python -m benchmarks.suite.one FOLDER STEP ATTEMPT SECONDS WHOLE. Its result goes to FOLDER/steps/STEP.json."""

from __future__ import annotations

import datetime
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from benchmarks.errors import BenchError
from benchmarks.suite.steps import LEFT, MARGIN, Context, OutOfTime, State, planned, write

SHORT = 0.25  # of a limit so small that MARGIN would take most of it


class Told(BaseException):
    """SIGTERM: what was started is ended on the way out."""


def on_term(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the way out must not be interrupted
    raise Told


def main(folder: Path, name: str, attempt: int, limit: float, whole: bool) -> int:
    signal.signal(signal.SIGTERM, on_term)
    started, began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    step = next(step for step in planned(folder) if step.id == name)
    cause: str | None = None
    result: dict[str, Any] | None = None
    try:
        result = step.run(Context(folder, name, began + limit - min(MARGIN, SHORT * limit), whole))
    except Told:
        return 128 + signal.SIGTERM
    except OutOfTime:
        return LEFT
    except BenchError as error:
        cause = error.message
    except Exception as error:  # a step that fails must not end the others: its cause is kept, and the trace in its log
        traceback.print_exc()
        cause = f"{type(error).__name__}: {error}"
    seconds = round(time.monotonic() - began, 1)
    write(folder, State(name, step.title, "failed" if cause else "done", cause, attempt, seconds, started, result))
    return 1 if cause else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5] == "1"))
