"""The last step: the checkpoint is served, asked, and held against the model that it was made from, served the same way.

    python -m quantize.check FOLDER NAME OPTIONS.json OUT.json

measures one model in a process of its own, so that whoever ends the command ends the engine too. It writes the measurement to
OUT.json and says {"detail": ...} while it works, or {"error", "message"}.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantize.child import Say, run
from quantize.errors import CheckFailed, DiskFull, EvaluationError, QuantizeError
from quantize.evaluation import texts
from quantize.evaluation.compare import compare
from quantize.evaluation.measure import Measurement, measure
from quantize.evaluation.options import Options
from quantize.manifest import Check, Engine, Manifest, Question
from quantize.recipe import Recipe
from quantize.run import Run, now

PROMPTS = Path(__file__).parent / "prompts.jsonl"  # asked where a model has no questions of its own
KEPT = 8  # questions in the manifest
MOST_EMPTY = 0.1  # of the answers that the baseline has


def main(argv: list[str]) -> int:
    folder, name, options, out = Path(argv[0]), argv[1], Path(argv[2]), Path(argv[3])

    def work(say: Say) -> None:
        chosen = from_json(options.read_text(encoding="utf-8"))
        found = measure(folder, chosen, lambda line: say(detail=line), name)
        out.write_text(json.dumps(found.to_dict()), encoding="utf-8")

    return run(work)


def to_json(options: Options) -> str:
    return json.dumps({field.name: getattr(options, field.name) for field in dataclasses.fields(options)}, default=str)


def from_json(text: str) -> Options:
    data: dict[str, Any] = json.loads(text)
    for key in ("text", "questions", "logs", "harness_tasks_dir"):
        data[key] = Path(data[key]) if data.get(key) else None
    read: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Options(**read)


def light(source: Path) -> Options:
    """What a check measures: the demo's own questions, else a handful of prompts that any model answers somehow."""
    return Options.for_check() if texts.is_demo(source) else Options.for_check(questions=PROMPTS)


def not_here(run: Run) -> str:
    """Why the checkpoint cannot be tried on this machine; empty where it can."""
    if run.plan.recipe.target == "cuda" and not run.machine.gpu:
        return "it was made for an engine on a GPU, and this machine has none"
    if run.machine.engine is None:
        return "vLLM is not installed here"
    if run.plan.recipe.target == "cuda" and run.machine.engine == "cpu":
        return "it was made for an engine on a GPU, and the vLLM of this machine is built for the CPU"
    return ""


def measured(run: Run, folder: Path, name: str, options: Options) -> Measurement:
    """Serve `folder` and measure it. The engine's log is added to the run's. Raises QuantizeError."""
    scratch = run.aside.folder
    logs, chosen, out = scratch / "engine-logs", scratch / "options.json", scratch / "measurement.json"
    chosen.write_text(to_json(dataclasses.replace(options, logs=logs)), encoding="utf-8")

    def hear(heard: object, said: Mapping[str, Any]) -> None:
        run.progress.detail(str(said.get("detail", "")))

    words = (*run.programs.measure, str(folder), name, str(chosen), str(out))
    try:
        run.step(f"serving {name}", words, hear, scratch)
    except EvaluationError as error:
        raise EvaluationError(_said_where(error.message, logs, run.aside.log)) from None
    finally:
        with run.aside.log.open("a", encoding="utf-8") as log:
            for file in sorted(logs.glob("*.log")):
                log.write(f"\n---- the engine's log of {name}\n{file.read_text(encoding='utf-8', errors='replace')}")
                file.unlink()
    return Measurement.from_dict(json.loads(out.read_text(encoding="utf-8")))


def _said_where(message: str, logs: Path, log: Path) -> str:
    """`message` with the log that stays instead of those that do not."""
    words = message.split(" ")
    return " ".join(str(log) if word.startswith(str(logs)) else word for word in words)


def baseline(run: Run, options: Options) -> Measurement | str:
    """The source model measured the same way, or why it could not be."""
    run.progress.phase(f"measuring {run.plan.source.name}, the baseline")
    try:
        return measured(run, run.plan.source.path, run.plan.source.name, options)
    except DiskFull:
        raise
    except QuantizeError as error:
        run.progress.note(f"warning: no baseline: {error.message}")
        return f"the baseline could not be served here: {error.message}"


def variant(run: Run, made: Manifest, options: Options, folder: Path) -> Measurement:
    """The checkpoint, measured. Raises CheckFailed where it does not serve."""
    run.progress.phase(f"checking {made.name}")
    try:
        return measured(run, folder, made.name, options)
    except EvaluationError as error:
        raise CheckFailed(f"{made.name} was made, and it does not serve: {error.message}") from None


def judge(measurement: Measurement, other: Measurement | str, recipe: Recipe) -> Check:
    """Whether the checkpoint answers, and like its baseline."""
    theirs = other if isinstance(other, Measurement) else None
    result = compare(measurement, theirs)
    logprobs = result.logprobs
    difference = logprobs.mean_abs_difference if logprobs else None
    agreement = logprobs.agreement if logprobs else None
    wrong = _empty(measurement, theirs)
    if difference is not None and not difference <= recipe.max_logprob_difference:  # NaN is wrong too
        wrong.append(f"its mean logprob difference to {result.baseline} is {difference:.3f}, above {recipe.max_logprob_difference:g}")
    if agreement is not None and not agreement >= recipe.min_agreement:
        wrong.append(f"it agrees with {result.baseline} at {agreement:.0%} of positions, below {recipe.min_agreement:.0%}")
    unsaid = other if isinstance(other, str) else (logprobs.not_compared if logprobs else "")
    return Check(
        passed=not wrong,
        date=now(),
        baseline=theirs.name if theirs else None,
        reason=", ".join(wrong) or unsaid,
        questions=_questions(measurement, theirs),
        mean_abs_logprob_difference=difference,
        agreement=agreement,
    )


def not_tried(reason: str) -> Check:
    return Check(passed=None, date=now(), reason=reason)


def _empty(measurement: Measurement, other: Measurement | None) -> list[str]:
    """Answers without a word where the baseline has some."""
    theirs = [answer.got for answer in other.answers] if other else ["?"] * len(measurement.answers)
    pairs = [(mine.got, their) for mine, their in zip(measurement.answers, theirs, strict=True) if their.strip()]
    empty = sum(not mine.strip() for mine, _ in pairs)
    return [f"{empty} of {len(pairs)} answers are empty"] if empty > MOST_EMPTY * len(pairs) else []


def _questions(measurement: Measurement, other: Measurement | None) -> tuple[Question, ...]:
    theirs = [answer.got for answer in other.answers] if other else [None] * len(measurement.answers)
    pairs = list(zip(measurement.answers, theirs, strict=True))[:KEPT]
    return tuple(Question(prompt=mine.prompt, answer=mine.got, baseline=their) for mine, their in pairs)


def engine(measurement: Measurement) -> Engine:
    """What it was loaded with, and answered."""
    log = measurement.engine
    return Engine(
        distribution=measurement.distribution, version=log.version or "", device=log.device or "", date=measurement.date, passed=True
    )


def with_check(made: Manifest, check: Check, engines: tuple[Engine, ...] = ()) -> Manifest:
    """`made` with its check, and the engines that it was now loaded with."""
    kept = tuple(old for old in made.serve.engines if not any((new.version, new.device) == (old.version, old.device) for new in engines))
    serve = made.serve.model_copy(update={"engines": (*kept, *engines)})
    return made.model_copy(update={"check": check, "serve": serve})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
