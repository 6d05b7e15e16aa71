"""`sllm bench suite gpu`: its steps, and the document that is made of what they found."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.metrics.lateness import generator_ok
from benchmarks.suite import cells, tables
from benchmarks.suite.figures import steps_table
from benchmarks.suite.scale import SCALES, Scale
from benchmarks.suite.shapes import shape
from benchmarks.suite.steps import State, Step, read

SOURCE = "benchmarks.suite.gpu:plan"
VARIANTS = ("none", "ngram", "draft")
RATES_SECONDS = 60.0


def plan(options: dict[str, Any]) -> list[Step]:
    """The steps at the scale that `options` names, the most wanted first."""
    scale = SCALES[options["scale"]]
    start = scale.start_seconds
    steps = [Step("rates", "what the device can do: memory and matrix products", partial(cells.rates, scale=scale), seconds=RATES_SECONDS)]
    served = [
        Step(
            cell_id(name, format),
            f"{name} in {format}: memory, load, prefill",
            partial(cells.cell, scale=scale, shape=shape(name), format=format),
            seconds=scale.cell_seconds,
        )
        for name, format in scale.cells
    ]
    passed = Step("gateway", "the gateway against the engine alone, in turn", partial(cells.gateway, scale=scale), seconds=2 * start)
    speculated = [
        Step(
            f"speculation-{variant}",
            f"speculation: {variant}",
            partial(cells.speculation, scale=scale, variant=variant),
            seconds=1.5 * start,
        )
        for variant in VARIANTS
    ]
    first = sum(1 for name, _ in scale.cells if name == scale.cells[0][0])
    return [*steps, *served[:first], passed, *speculated, *served[first:]]


def cell_id(shape: str, format: str) -> str:
    return f"cell-{shape}-{format}"


def assemble(document: dict[str, Any], folder: Path, scale: Scale, steps: list[Step]) -> None:
    """Put what is done into the document: tables, pictures, steps. What is not says "not measured yet"."""
    states = {step.id: read(folder, step.id) for step in steps}
    document["steps"] = [_step(step, states[step.id]) for step in steps]
    done = {name: state.result for name, state in states.items() if state and state.status == "done" and state.result is not None}
    levels = [level for result in done.values() for level in result.get("levels", [])]
    document["checks"] = {"generator_ok": generator_ok(levels)} if levels else {}
    served = [result["server"] for result in done.values() if "server" in result]
    document["provenance"]["server"] = served[0] | {"model": None, "url": "each step's own engine"} if served else None
    document["tables"], document["pictures"] = tables.made(scale, done)
    document["tables"].append(steps_table(document["steps"]))


def _step(step: Step, state: State | None) -> dict[str, Any]:
    if state is None:
        return {
            "id": step.id,
            "title": step.title,
            "status": "not measured yet",
            "cause": None,
            "seconds": None,
            "started": None,
            "server": None,
        }
    said = {name: getattr(state, name) for name in ("status", "cause", "seconds", "started", "attempts")}
    return {"id": step.id, "title": step.title, **said, "server": (state.result or {}).get("server")}


def unfinished(document: dict[str, Any]) -> str | None:
    """Why the document is partial; None where every step is done."""
    failed = [step["id"] for step in document["steps"] if step["status"] == "failed"]
    missing = [step["id"] for step in document["steps"] if step["status"] not in ("done", "failed")]
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not measured yet: {', '.join(missing)}"] if missing else []
    return "; ".join(parts) or None
