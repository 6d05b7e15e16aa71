"""`sllm evaluate`: the baseline and every model after it, one serving at a time; then the comparison, written and shown."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from quantize import digest, manifest, units
from quantize.errors import EvaluationError, QuantizeError, UsageError
from quantize.evaluation import harness, record, texts
from quantize.evaluation.compare import Result, compare
from quantize.evaluation.measure import Measurement, measure
from quantize.evaluation.options import Options
from quantize.evaluation.record import about
from quantize.evaluation.remember import remember
from quantize.evaluation.report import report

Say = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """A folder and what it is called in the comparison."""

    name: str
    folder: Path


@dataclass
class Outcome:
    """`failed`: models that could not be measured, with the sentence why; `notes`: what else the user should know."""

    results: list[Result] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "results": [result.to_dict() for result in self.results],
            "failed": self.failed,
            "notes": self.notes,
            "files": [str(file) for file in self.files],
        }


def evaluate(
    models: Sequence[Model],
    baseline: Model | None,
    options: Options,
    out: Path,
    command: Sequence[str] = (),
    say: Say = lambda _: None,
    measure: Callable[[Path, Options, Say, str], Measurement] = measure,
) -> Outcome:
    """Measure, compare, write. A model that cannot be measured is told and passed over; what was measured by then is written
    even when the command is ended early. Raises EvaluationError when the baseline, or nothing at all, could be measured."""
    if options.harness:
        harness.python()
    options, baseline = _common(models, baseline, options)
    queue = [*([baseline] if baseline else []), *(m for m in models if baseline is None or not _same(m, baseline))]
    queue = unique(queue)
    baseline = queue[0] if baseline else None
    options = replace(options, logs=options.logs or out / "logs")
    _make(out)
    outcome, measured = Outcome(), list[Measurement]()
    try:
        for number, model in enumerate(queue, 1):
            before = f"{model.name} ({number} of {len(queue)})" if len(queue) > 1 else model.name
            began = time.monotonic()
            try:
                measured.append(measure(model.folder, options, lambda line, before=before: say(f"{before}: {line}"), model.name))  # type: ignore[misc]
            except QuantizeError as error:
                if model == baseline or len(queue) == 1:
                    raise
                outcome.failed[model.name] = error.message
                say(f"{before}: failed: {error.message}")
                continue
            say(f"{before}: measured in {units.duration(time.monotonic() - began)}")
    finally:
        if measured:
            _write(outcome, measured, baseline, out, about(options, command, outcome.failed))
    if not measured:
        raise EvaluationError("; ".join(outcome.failed.values()))
    folders = {model.name: model.folder for model in queue}
    for result in outcome.results:
        outcome.notes += remember(folders[result.name], result)
    return outcome


def again(file: Path, out: Path | None = None) -> Outcome:
    """The comparison of an earlier run from its evaluation.json alone: figures, table and page. Raises EvaluationError.

    The page is written beside the file, or both into `out`. A recorded figure that does not come out again is told in the notes.
    """
    data = record.read(file)
    outcome = Outcome(results=record.again(data, file))
    recorded = {entry.get("name"): entry for entry in data.get("results", [])}
    for result in outcome.results:
        apart = _apart(recorded.get(result.name, {}), result.to_dict())
        if apart:
            outcome.failed[result.name] = f"computed again, {', '.join(apart)} differ from what {file.name} says"
    if not outcome.failed:
        outcome.notes.append(f"all figures of {len(outcome.results)} models computed again from {file.name}: they are those it records")
    baseline = next((r for r in outcome.results if r.is_baseline), None)
    outcome.files = report(outcome.results, baseline, out or file.resolve().parent, data["about"], page_only=out is None)
    return outcome


def _write(outcome: Outcome, measured: list[Measurement], baseline: Model | None, out: Path, told: dict[str, Any]) -> None:
    base = measured[0] if baseline else None
    outcome.results = [compare(measurement, base) for measurement in measured]
    outcome.files = report(outcome.results, outcome.results[0] if baseline else None, out, told)


def _common(models: Sequence[Model], baseline: Model | None, options: Options) -> tuple[Options, Model | None]:
    """The baseline, found where none is named, and the same texts and questions for all. Raises for a bad file or flag."""
    if not models:
        raise UsageError("no model to evaluate: sllm evaluate MODEL [MODEL ...] --baseline MODEL")
    for model in models:
        if not model.folder.is_dir():
            raise EvaluationError(f"no model folder at {model.folder}: give the folder that holds config.json")
    baseline = baseline or _its_base(models)
    everyone = [*models, *([baseline] if baseline else [])]
    demo = all(texts.is_demo(model.folder) for model in everyone)
    text = options.text or (texts.DEMO_QUESTIONS if demo else texts.PASSAGES)
    questions = options.questions or (texts.DEMO_QUESTIONS if demo else None)
    texts.read_texts(text)
    if questions:
        texts.read_questions(questions)
    return replace(options, text=text, questions=questions), baseline


def _its_base(models: Sequence[Model]) -> Model | None:
    """The model that the others were made from: one of them, by the digest in their manifests, or the demo model."""
    made = {model: manifest.read(model.folder) for model in models}
    bases = {written.base.digest for written in made.values() if written}
    if not bases:
        return None
    candidates = [model for model, written in made.items() if written is None]
    if all(texts.is_demo(model.folder) for model in models):
        candidates.append(Model("demo", texts.DEMO))
    return next((model for model in candidates if digest.weights(model.folder) in bases), None)


def unique(models: Sequence[Model]) -> list[Model]:
    """Each folder once; where two have the same name, with as much of their folders as tells them apart."""
    found = list(dict.fromkeys(Model(model.name, model.folder.resolve()) for model in models))
    names = [model.name for model in found]
    longer = [model if names.count(model.name) == 1 else replace(model, name="/".join(model.folder.parts[-2:])) for model in found]
    again = [model.name for model in longer]
    return [model if again.count(model.name) == 1 else replace(model, name=str(model.folder)) for model in longer]


def _same(one: Model, other: Model) -> bool:
    return one.folder.resolve() == other.folder.resolve()


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"cannot write to {out} ({error.strerror}): name another folder with --out") from None
    if not os.access(out, os.W_OK):
        raise EvaluationError(f"cannot write to {out}: name another folder with --out")


def _apart(recorded: Mapping[str, Any], computed: Mapping[str, Any], where: str = "") -> list[str]:
    """Keys whose values differ."""
    found = []
    for key in sorted({*recorded, *computed}):
        old, new = recorded.get(key), computed.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _apart(old, new, f"{where}{key}.")
        elif old != new:
            found.append(where + key)
    return found


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does: what is served is ended, what was measured is written."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def telling(quiet: bool = False) -> Iterator[Say]:
    """How the user is told: one line that changes on a terminal, and a line for each model that is done or failed."""

    def stays(line: str) -> bool:
        return ": measured in " in line or ": failed: " in line

    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape

        console = Console(stderr=True, highlight=False)
        with console.status("starting") as status:

            def show(line: str) -> None:
                console.print(line, markup=False) if stays(line) else status.update(escape(line))

            yield show
    else:
        yield lambda line: print(line, file=sys.stderr, flush=True) if stays(line) else None
