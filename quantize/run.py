"""One checkpoint: the calibration set drawn, the model quantized by a process of its own, the manifest written.

All of it happens in the folder aside (quantize/aside.py); publishing it is the caller's last step.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quantize import digest, environments, failure, headers, manifest
from quantize.aside import Aside
from quantize.children import UNKNOWN, Children, Memory
from quantize.errors import MethodFailed
from quantize.gate import Plan
from quantize.job import Event, Job
from quantize.machine import Machine
from quantize.manifest import Base, Calibration, Cost, Manifest, Serve, Weights
from quantize.progress import Progress
from quantize.source import Source

HERE = (sys.executable, "-P", "-m")  # -P: the user's own folder is no place to import from
PLUGINS = {"bitsandbytes": ("vllm-bnb-plugin",)}


def worker(plan: Plan) -> tuple[str, ...]:
    """The program that quantizes. Raises MissingLibrary where its environment is not installed."""
    return (str(environments.python(plan.method.environment)), "-P", "-m", "quantize.worker")


@dataclass(frozen=True)
class Programs:
    """The programs of the steps; a test gives its own."""

    prepare: Sequence[str] = (*HERE, "quantize.prepare")
    worker: Callable[[Plan], Sequence[str]] = worker
    measure: Sequence[str] = (*HERE, "quantize.check")


PROGRAMS = Programs()


@dataclass
class Heard:
    """What a program has said."""

    said: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    done: Event | None = None
    phase: str = ""
    memory: Memory = UNKNOWN


@dataclass(frozen=True)
class Drawn:
    """Calibration sets that were drawn already, in `folder`, which outlives the checkpoints that they are for."""

    folder: Path
    sets: dict[tuple[object, ...], tuple[Path, Calibration]] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What the steps of one checkpoint share. `version` is sllm's own."""

    plan: Plan
    aside: Aside
    children: Children
    progress: Progress
    machine: Machine
    version: str
    drawn: Drawn
    programs: Programs = PROGRAMS

    def step(self, name: str, words: Sequence[str], hear: Callable[[Heard, dict[str, Any]], None], cwd: Path | None = None) -> Heard:
        """Run a program to its end, in `cwd` or here. Raises what it said, or why it ended otherwise."""
        heard, log = Heard(), self.aside.log
        start = log.stat().st_size

        def line(text: str) -> None:
            try:
                said = json.loads(text)
            except ValueError:
                return  # no word of ours
            if said.get("error"):
                heard.error = (said["error"], said.get("message", ""))
            elif isinstance(said, dict):
                hear(heard, said)

        def watch(memory: Memory) -> None:
            heard.memory = memory
            self.progress.memory(memory)

        status = self.children.run(words, log, line, watch, cwd)
        if status or heard.error:
            where = f"{name} ({heard.phase})" if heard.phase else name
            raise failure.of(where, status, heard.error, log, start, self.plan.disk, heard.memory, self.machine.memory)
        return heard


def make(run: Run, base: Base, name: str) -> Manifest:
    """Quantize into `run.aside.checkpoint` and write its manifest. Raises QuantizeError."""
    began = time.monotonic()
    file, calibration = _calibrate(run) if run.plan.method.calibrated else (None, None)
    heard = _quantize(run, file)
    made = _manifest(run, base, name, calibration, heard, time.monotonic() - began)
    manifest.write(run.aside.checkpoint, made)
    return made


def base(source: Source) -> Base:
    """The model itself, in the manifest's words. Reads all of its weights once."""
    return Base(name=source.name, digest=digest.weights(source.path), architecture=source.architecture, weight_bytes=source.weight_bytes)


def _calibrate(run: Run) -> tuple[Path, Calibration]:
    recipe, drawn = run.plan.recipe, run.drawn
    key = (recipe.calibration, recipe.samples, recipe.sequence_length, recipe.seed)
    if key not in drawn.sets:
        drawn.sets[key] = _draw(run, drawn.folder / f"calibration-{len(drawn.sets)}.jsonl")
    return drawn.sets[key]


def _draw(run: Run, file: Path) -> tuple[Path, Calibration]:
    recipe = run.plan.recipe
    run.progress.phase("calibration set", f"{recipe.samples} samples of {recipe.calibration}")
    chosen = run.aside.folder / "recipe.json"
    chosen.write_text(recipe.model_dump_json(), encoding="utf-8")
    words = (*run.programs.prepare, str(run.plan.source.path), str(chosen), str(file))
    said = run.step("drawing the calibration set", words, lambda heard, said: heard.said.update(said)).said
    for warning in said["warnings"]:
        run.progress.note(f"warning: {warning}")
    found = Calibration(
        source=portable(recipe.model_dump())["calibration"],
        digest=said["digest"],
        samples=said["samples"],
        tokens=said["tokens"],
        seed=recipe.seed,
    )
    return file, found


def _quantize(run: Run, calibration: Path | None) -> Heard:
    plan, aside = run.plan, run.aside
    job = Job(
        plan.method.name, plan.source.path, aside.checkpoint, aside.scratch, plan.recipe.model_dump(mode="json"), calibration, _threads(run)
    )
    file = aside.folder / "job.json"
    file.write_text(job.to_json(), encoding="utf-8")

    def hear(heard: Heard, said: Mapping[str, Any]) -> None:
        event = Event.from_json(json.dumps(said))
        if event.kind == "phase":
            heard.phase = event.phase
            run.progress.phase(event.phase)
        elif event.kind == "layer":
            heard.phase = f"layer {event.done + 1} of {event.total}" if event.done < event.total else "after the last layer"
            run.progress.layers(event.done, event.total)
        elif event.kind == "done":
            heard.done = event

    run.progress.phase(f"starting {plan.method.library}")
    name = f"{plan.method.name} with {plan.method.library}"
    heard = run.step(name, (*run.programs.worker(plan), str(file)), hear, aside.folder)  # libraries leave files where they work
    if heard.done is None or not (aside.checkpoint / "config.json").is_file():
        raise MethodFailed(f"{name} ended without a checkpoint: {failure.last_line(aside.log) or 'it said nothing'}")
    return heard


def _threads(run: Run) -> int:
    return int(os.environ.get("OMP_NUM_THREADS") or run.machine.cpus)


def _manifest(run: Run, base: Base, name: str, calibration: Calibration | None, heard: Heard, seconds: float) -> Manifest:
    plan, folder = run.plan, run.aside.checkpoint
    run.progress.phase("reading what was written")
    done = heard.done or Event("done")
    return Manifest(
        name=name,
        method=plan.method.name,
        created=now(),
        base=base,
        weights=weights(plan, folder),
        recipe=portable(plan.recipe.model_dump(mode="json")),
        calibration=calibration,
        versions={"sllm": run.version, "python": platform.python_version(), **(done.versions or {})},
        cost=Cost(seconds=round(seconds, 2), peak_memory_bytes=max(done.peak, heard.memory.peak), predicted_memory_bytes=plan.peak_memory),
        serve=Serve(target=plan.recipe.target, plugins=PLUGINS.get(plan.method.checkpoint, ())),
    )


def weights(plan: Plan, folder: Path) -> Weights:
    """What the weight files in `folder` hold: bytes of all, and of the layers that were quantized, with their scales."""
    linears = plan.source.quantized(plan.recipe.ignore)
    prefixes = tuple(f"{linear.name}." for linear in linears)
    tensors = headers.read(folder)
    return Weights(
        digest=digest.weights(folder),
        bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        linear_bytes=sum(tensor.bytes for tensor in tensors if tensor.name.startswith(prefixes)),
        linear_bf16_bytes=sum(2 * linear.inputs * linear.outputs for linear in linears),
        bits=plan.recipe.bits or plan.method.bits[0],
        checkpoint=plan.method.checkpoint,
    )


def portable(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without the paths of this machine: a calibration file by its name."""
    calibration = str(recipe["calibration"])
    return {**recipe, "calibration": Path(calibration).name if Path(calibration).is_absolute() else calibration}


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
