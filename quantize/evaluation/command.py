"""`sllm evaluate` for people and for programs: what is shown while it runs, and after."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from quantize.errors import UsageError
from quantize.evaluation.options import Options
from quantize.evaluation.run import Model, Outcome, again, ended_by_signals, evaluate, telling
from quantize.evaluation.table import table


def run_command(
    models: Sequence[Model], baseline: Model | None, options: Options, out: Path | None, words: Sequence[str], *, as_json: bool
) -> int:
    """Evaluate and print. `words` is the command line, for the record. Returns the exit code; raises QuantizeError."""
    out = out or Path(f"evaluation-{datetime.now():%Y-%m-%d-%H%M%S}")
    with ended_by_signals(), telling(quiet=as_json) as say:
        outcome = evaluate(models, baseline, replace(options, logs=out / "logs"), out, words, say)
    return _show(outcome, as_json=as_json)


def from_record(file: Path, out: Path | None, others: Sequence[str], *, as_json: bool) -> int:
    """The comparison in `file`, computed again. Raises UsageError where models are named as well."""
    if others:
        raise UsageError(f"--from computes the comparison in {file} again and measures nothing: leave '{others[0]}' out")
    return _show(again(file, out), as_json=as_json)


def concurrencies(text: str) -> tuple[int, ...]:
    """`1,8` -> (1, 8). Raises UsageError."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"--concurrency {text}: write numbers with commas between them, such as 1,8") from None


def _show(outcome: Outcome, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(outcome.to_dict(), ensure_ascii=False), flush=True)
        return outcome.exit_code
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    print(table(outcome.results, colour=colour))
    for line in outcome.notes:
        print(f"note: {line}")
    for name, why in outcome.failed.items():
        print(f"failed: {name}: {why}")
    print("\n".join(f"{file}" for file in outcome.files), flush=True)
    return outcome.exit_code
