"""A program under the janitor: it says JSON lines on its stdout, and all that libraries print goes to its stderr, the log."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from quantize.errors import QuantizeError

Say = Callable[..., None]


def run(work: Callable[[Say], None]) -> int:
    """Do `work`, which says what it finds with `say(key=value, ...)`. An error is the last thing said. Returns the exit code.

    SIGTERM ends it as an exception would, so that what it has started is ended too.
    """
    signal.signal(signal.SIGTERM, _leave)
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**what: Any) -> None:
        print(json.dumps(what, ensure_ascii=False), file=said, flush=True)

    try:
        work(say)
    except QuantizeError as error:
        print(error.message, file=sys.stderr)
        say(error=type(error).__name__, message=error.message)
        return 1
    except OSError as error:  # a full disk
        print(error, file=sys.stderr)
        say(error="OSError", message=str(error))
        return 1
    return 0


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
