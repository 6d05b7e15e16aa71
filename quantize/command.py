"""`sllm quantize`: from a folder and a recipe to a checkpoint that is known to serve."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from quantize import aside, failure, gate, machine, manifest, progress, run, source, summary
from quantize.children import Children
from quantize.errors import CheckFailed, QuantizeError, Refused, UsageError
from quantize.gate import Plan
from quantize.manifest import Base, Manifest
from quantize.methods.method import Method
from quantize.progress import Progress
from quantize.recipe import ALL, Recipe
from quantize.run import PROGRAMS, Drawn, Programs, Run
from quantize.source import Source

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Order:
    """What was asked for. `out` is absolute; `version` is sllm's own."""

    source: Source
    recipe: Recipe
    out: Path
    force: bool
    check: bool
    version: str
    programs: Programs = PROGRAMS
    methods: Mapping[str, Method] | None = None  # None: all that there are


def run_command(
    folder: Path,
    name: str,
    recipe: Recipe,
    out: Path | None,
    *,
    force: bool,
    check: bool,
    quick: bool = False,
    as_json: bool,
    version: str,
    programs: Programs = PROGRAMS,
    methods: Mapping[str, Method] | None = None,
) -> int:
    """Do it, and print what came of it. Returns the exit code. Raises QuantizeError."""
    out = (out or Path(f"{name.rpartition('/')[2]}-{'variants' if recipe.method == ALL else recipe.method}")).expanduser().absolute()
    order = Order(replace(source.read(folder), name=name), recipe, out, force, check, version, programs, methods)
    shown = progress.shown(plain=as_json)
    with interruptible(out):
        if recipe.method == ALL:
            from quantize import variants
            from quantize.evaluation.options import Options

            return variants.make_all(order, shown, as_json, Options.for_check() if quick else Options())
        made = one(order, shown)
    if as_json:
        print(json.dumps({"path": str(out), "log": str(aside.log_of(out)), **made.model_dump(mode="json")}, ensure_ascii=False), flush=True)
    else:
        print("\n".join(summary.after(made, out)), flush=True)
    return 0


def one(order: Order, shown: Progress) -> Manifest:
    """Gate, quantize, check, rename. Raises QuantizeError; what it leaves then is the log."""
    here = machine.look(order.out)
    aside.check(order.out, order.source.path, order.force)
    plan = gate.check(order.source, order.recipe, here, order.methods)
    for line in summary.before(plan, order.out, here):
        shown.note(line)

    def checked(work: Run, made: Manifest) -> Manifest:
        return _checked(work, made) if order.check else made

    def base() -> Base:
        shown.phase("reading the model")
        return run.base(order.source)

    with shown:
        return build(plan, order, here, shown, order.out.name, base, checked)


def build(
    plan: Plan,
    order: Order,
    here: machine.Machine,
    shown: Progress,
    name: str,
    base: Callable[[], Base],
    finish: Callable[[Run, Manifest], Manifest],
    drawn: Drawn | None = None,
) -> Manifest:
    """Make one checkpoint aside, let `finish` add to its manifest, and give it its name. Raises QuantizeError."""
    with at_work(order, plan, here, shown, drawn) as work:
        made = finish(work, run.make(work, base(), name))
        manifest.write(work.aside.checkpoint, made)
        aside.publish(work.aside, order.force)
        shown.stop()
        return made


@contextlib.contextmanager
def at_work(order: Order, plan: Plan, here: machine.Machine, shown: Progress, drawn: Drawn | None = None) -> Iterator[Run]:
    """A folder aside, others kept away, a janitor that cleans up, and every failure with the name of its log."""
    log = aside.log_of(order.out)
    try:
        with aside.lock(order.out) as held:
            folders = aside.beside(order.out, held)
            with Children(folders.folder, [held]) as children:
                folders.make()
                yield Run(plan, folders, children, shown, here, order.version, drawn or Drawn(folders.folder), order.programs)
    except OSError as error:
        failed = _of_the_system(error, order.out.parent, plan.disk)
        raise type(failed)(_with_log(failed.message, log)) from None
    except (UsageError, Refused):
        raise  # somebody else is at it, or the name was taken: no log of ours
    except QuantizeError as error:
        raise type(error)(_with_log(error.message, log)) from None


def _with_log(sentence: str, log: Path) -> str:
    return sentence if str(log) in sentence else f"{sentence}; the log is {summary.shown(log)}"


def _of_the_system(error: OSError, folder: Path, need: int) -> QuantizeError:
    if error.errno in failure.FULL_NUMBERS:
        return failure.full(folder, need)
    return UsageError(f"cannot write to {error.filename or folder}: {error.strerror or error}; give --out a folder where you may write")


def _checked(work: Run, made: Manifest) -> Manifest:
    """`made` with its check. Raises CheckFailed."""
    from quantize import check  # what it needs is more than the gate should wait for

    if reason := check.not_here(work):
        work.progress.note(f"warning: the check is left out: {reason}; run `sllm evaluate` where it is served")
        return check.with_check(made, check.not_tried(reason))
    options = check.light(work.plan.source.path)
    measurement = check.variant(work, made, options, work.aside.checkpoint)
    verdict = check.judge(measurement, check.baseline(work, options), work.plan.recipe)
    if not verdict.passed:
        raise CheckFailed(f"{made.name} was made and serves, and {verdict.reason}: try a smaller --group-size, more --samples or 8 bits")
    return check.with_check(made, verdict, (check.engine(measurement),))


@contextlib.contextmanager
def interruptible(out: Path) -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does: everything is cleaned up on the way out. nohup stays as it is."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _leave)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with contextlib.suppress(OSError):
            print(f"stopped; {summary.shown(out)} was not made" if not out.exists() else "stopped", file=sys.stderr, flush=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)
