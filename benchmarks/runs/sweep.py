"""`sllm bench sweep FILE`: a matrix of models x engine flags x load. One engine start a cell, every load within it, resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.loadgen.target import parse
from benchmarks.metrics import slo
from benchmarks.metrics.lateness import generator_ok
from benchmarks.prompts.requests import build
from benchmarks.prompts.tokenizer import find
from benchmarks.reports import document, outcome
from benchmarks.runs import matrix as matrices
from benchmarks.runs import sweeptables
from benchmarks.runs.loads import named, wanted
from benchmarks.stack import Stack
from benchmarks.suite import checkpoints, shapes
from benchmarks.suite.cells import free_device
from benchmarks.suite.figures import steps_table
from benchmarks.suite.steps import Context, Outcome, Step, read, run_steps, write_plan

SOURCE = "benchmarks.runs.sweep:plan"
START, LEVEL = 60.0, 20.0  # seconds, for the estimate of a cell
WARM_UP = 8  # requests, at most
LEAST_LEFT = 5.0  # seconds of a cell under which no level is begun


@dataclass(frozen=True)
class SweepOptions:
    file: Path
    out: Path  # the same one to go on
    only: str | None = None
    again: bool = False
    limit_total: float | None = None
    command: str = "sllm bench sweep"


def run(options: SweepOptions, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run the cells that are due and return the document, which is also kept after each. Raises BenchError, BenchUsageError."""
    matrix = matrices.read(options.file)
    outcome.folder("sweep", options.out)
    steps = write_plan(options.out, SOURCE, {"matrix": matrix})
    file = options.out / outcome.RESULT
    made = document.load(file) if file.exists() else document.new("sweep", settings(matrix), options.command, seed=matrix["seed"])

    def after(note: str | None = None) -> None:
        assemble(made, options.out, matrix, steps)
        document.finish(made, note or unfinished(made))
        document.save(made, file)

    after()
    ended: Outcome = run_steps(
        steps, options.out, options.only, options.again, matrix["limit"], limit_total=options.limit_total, say=say, after=after
    )
    missing = unfinished(made)
    after(f"{ended.stopped}; {missing}" if ended.stopped and missing else None)
    return made


def settings(matrix: dict[str, Any]) -> dict[str, Any]:
    """What stands in the document: the matrix as it was read; the first prompts' options under the names that pages know."""
    first = matrices.options(matrix["prompts"][0])
    limits = slo.parse(matrix["load"]["slo"]).as_dict() if matrix["load"].get("slo") else None
    known = {"endpoint": first.endpoint, "dataset": first.dataset, "language": first.language, "ignore_eos": first.ignore_eos}
    known |= {"input_tokens": first.input_tokens, "output_tokens": first.output.mean, "temperature": first.temperature}
    return known | {"slo": limits, "repeat": matrix["load"]["repeat"], "timeout": matrix["load"]["timeout"], "matrix": matrix}


def plan(options: dict[str, Any]) -> list[Step]:
    """A step for each model and each set of flags."""
    matrix = options["matrix"]
    levels = len(matrices.levels(matrix)) * len(matrix["prompts"]) * matrix["load"]["repeat"]
    seconds = min(START + LEVEL * levels, matrix["limit"])
    steps = [
        Step(
            matrices.slug(model["name"], flags["name"]),
            f"{model['name']}, {flags['name']}: {levels} levels",
            partial(cell, matrix=matrix, model=model, flags=flags),
            seconds=seconds,
        )
        for model in matrix["models"]
        for flags in matrix["flags"]
    ]
    ids = [step.id for step in steps]
    if twice := next((step for step in ids if ids.count(step) > 1), None):
        raise BenchUsageError(f"two cells would both be kept as '{twice}': give their models or flags a `name` in letters and digits")
    return steps


def cell(context: Context, matrix: dict[str, Any], model: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """One engine, all loads. What the cell's time does not suffice for is left out and said."""
    free_device(context)
    words, made = list(flags["engine"]), None
    if "shape" in model:
        made = checkpoints.make(shapes.shape(model["shape"]), model["format"], context.folder / "checkpoints")
        words = [*checkpoints.flags(model["format"]), *words]
    try:
        with Stack(str(made or model["model"]), words, config=flags["config"], logs=context.folder / "logs" / context.step) as stack:
            context.say(f"ready after {stack.ready_seconds:.0f} s")
            levels, left_out = asyncio.run(_levels(context, stack, matrix, {"model": model["name"], "flags": flags["name"]}))
            server = stack.server()
    finally:
        if made:
            checkpoints.remove(made)
    return {"model": model["name"], "flags": flags["name"], "server": server, "levels": levels, "left_out": left_out}


async def _levels(context: Context, stack: Stack, matrix: dict[str, Any], marks: dict[str, str]) -> tuple[list[dict[str, Any]], list[str]]:
    load, entries, left_out = matrix["load"], [], []
    target = parse(stack.url if load["through"] == "gateway" else stack.engine_target)
    tokenizer = await find(target, stack.model, None)
    limits = slo.parse(load["slo"]) if load.get("slo") else None
    timeout, longest, seed = float(load["timeout"]), stack.server()["max_model_len"], matrix["seed"]

    async def level(requests: list[Request], one: Load) -> Level:
        stop = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(max(context.left(), 0.0), stop.set)
        try:
            return await run_level(target, requests, one, seed=seed, timeout=timeout, stop=stop)
        finally:
            timer.cancel()

    for prompts in matrix["prompts"]:
        asked = matrices.options(prompts, max_model_len=longest)
        count = load.get("warm_up", WARM_UP)
        if count:
            first = await level(await build(asked, tokenizer, stack.model, count, seed + 999_983), Load("closed", count, requests=count))
            if all(record.error for record in first.records) and context.left() > LEAST_LEFT:
                raise BenchError(f"none of {count} requests was answered: {first.records[0].error}: {first.records[0].detail}")
        for repeat in range(load["repeat"]):
            for place, one in enumerate(matrices.levels(matrix)):
                name = f"{prompts['name']}, {named(one)}, round {repeat + 1}"
                if context.left() < LEAST_LEFT:
                    context.out_of_time()
                    left_out.append(name)
                    continue
                drawn = await build(asked, tokenizer, stack.model, wanted(one), seed + 1000 * repeat + place)
                entry = document.level_entry(await level(drawn, one), repeat, limits, prompt_set=prompts["name"]) | marks
                entries.append(entry)
                context.say(f"{name}: {entry['summary']['output_tokens_per_second']:.0f} output tokens/s")
    return entries, left_out


def assemble(made: dict[str, Any], folder: Path, matrix: dict[str, Any], steps: list[Step]) -> None:
    """Levels, tables, pictures and steps of what is done."""
    states = {step.id: read(folder, step.id) for step in steps}
    done = [state.result for state in states.values() if state and state.status == "done" and state.result is not None]
    made["levels"] = [level for result in done for level in result["levels"]]
    made["checks"] = {"generator_ok": generator_ok(made["levels"])} if made["levels"] else {}
    made["provenance"]["server"] = done[0]["server"] | {"model": None, "url": "each cell's own engine"} if done else None
    made["tables"], made["pictures"] = sweeptables.made(done)
    made["steps"] = [
        {
            "id": step.id,
            "title": step.title,
            "status": state.status if (state := states[step.id]) else "not measured yet",
            "cause": state.cause if state else None,
            "seconds": state.seconds if state else None,
            "server": state.result["server"] if state and state.result else None,
            "left_out": state.result["left_out"] if state and state.result else [],
        }
        for step in steps
    ]
    made["tables"].append(steps_table(made["steps"]))


def unfinished(made: dict[str, Any]) -> str | None:
    """Why the document is partial; None where every level of every cell is there."""
    parts = []
    for status in ("failed", "not measured yet"):
        if names := [step["id"] for step in made["steps"] if step["status"] == status]:
            parts.append(f"{status}: {', '.join(names)}")
    for step in made["steps"]:
        if step["left_out"]:
            parts.append(f"{step['id']}: its time was over before {len(step['left_out'])} levels (`limit` in the file)")
    return "; ".join(parts) or None
