"""What the steps of the suite do: one engine start each, several loads within it. Steps run in processes of their own (one.py)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks import busygpu
from benchmarks.errors import BenchError
from benchmarks.metrics import acceptance
from benchmarks.parent import environment, module
from benchmarks.stack import Stack
from benchmarks.suite import checkpoints, enginelog
from benchmarks.suite.loads import Lengths, Loader
from benchmarks.suite.scale import Scale
from benchmarks.suite.shapes import Shape
from benchmarks.suite.steps import Context
from benchmarks.suite.tensors import Format

FREED = 30.0  # seconds for a GPU to be free after the step before


def free_device(context: Context, wait: float = FREED) -> None:
    """Return when no GPU is busy. Raises BenchError when one still is after `wait` seconds: it works for somebody else."""
    until = time.monotonic() + wait
    while True:
        try:
            busygpu.check(anyway=False)
            return
        except BenchError:
            if time.monotonic() > until:
                raise
            context.say("waiting for the GPU to be free")
            time.sleep(3)


def rates(context: Context, scale: Scale) -> dict[str, Any]:
    """What the device can do, by a process that imports torch (rates.py)."""
    free_device(context)
    done = subprocess.run(module("benchmarks.suite.rates"), env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the device's rates were not measured: `python -m benchmarks.suite.rates` ended with code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def cell(context: Context, scale: Scale, shape: Shape, format: Format) -> dict[str, Any]:
    """One shape in one format: memory as planned and as it is, every load of the scale, prompts alone."""
    free_device(context)
    made = checkpoints.make(shape, format, context.folder / "checkpoints")
    try:
        planned = enginelog.plan(made, scale.context)
        before = enginelog.gpu_memory()
        with Stack(str(made), [*checkpoints.flags(format), *scale.flags], logs=_logs(context)) as stack:
            measured = enginelog.figures(stack.log()) | {"gpu_before": before, "gpu_ready": enginelog.gpu_memory()}
            context.say(f"ready after {stack.ready_seconds:.0f} s")
            loader = Loader(context, stack.model, shape.vocabulary, scale.cap, measured["tokens"])
            asyncio.run(_cell_levels(loader, stack.engine_target, scale))
            server, ready = stack.server(), stack.ready_seconds
    finally:
        checkpoints.remove(made)
    return {
        "shape": shape.name,
        "format": format,
        "plan": planned,
        "engine": measured,
        "ready_seconds": round(ready, 1),
        "server": server,
        "levels": loader.keep(),
        "skipped": loader.skipped,
    }


async def _cell_levels(loader: Loader, url: str, scale: Scale) -> None:
    await loader.warm_up(url, scale.lengths[0], min(scale.concurrency[-1], 64))
    await loader.level(url, Lengths(scale.prefill, 1), scale.prefill_concurrency, part="prefill")
    for lengths in scale.lengths:
        for concurrency in scale.concurrency:
            await loader.level(url, lengths, concurrency, part="load")


def speculation(context: Context, scale: Scale, variant: str) -> dict[str, Any]:
    """One way of proposing tokens, or none, at several concurrencies; the engine's own counters say what was accepted."""
    free_device(context)
    target, vocabulary = _served(scale.target, context)
    flags = [*scale.flags, *(["--load-format", "dummy"] if scale.target in scale.made else [])]
    if variant == "ngram":
        proposed = {"method": "ngram", "num_speculative_tokens": scale.proposed, "prompt_lookup_max": 4, "prompt_lookup_min": 2}
        flags += ["--speculative-config", json.dumps(proposed)]
    elif variant == "draft":
        draft, _ = _served(scale.draft, context)
        proposed = {"method": "draft_model", "model": str(draft), "num_speculative_tokens": scale.proposed}
        flags += ["--speculative-config", json.dumps(proposed)]
    with Stack(str(target), flags, logs=_logs(context)) as stack:
        loader = Loader(context, stack.model, vocabulary, scale.cap, None)
        asyncio.run(_speculation_levels(loader, stack, scale, variant))
        server = stack.server()
    return {"variant": variant, "target": scale.target, "draft": scale.draft, "server": server, "levels": loader.keep()}


async def _speculation_levels(loader: Loader, stack: Stack, scale: Scale, variant: str) -> None:
    lengths = scale.lengths[0]
    await loader.warm_up(stack.engine_target, lengths, min(scale.speculated[-1], 16))
    for concurrency in scale.speculated:
        before = stack.metrics()
        entry = await loader.level(stack.engine_target, lengths, concurrency, variant=variant)
        if entry is not None:
            counted = acceptance.between(before, stack.metrics())
            entry["acceptance"] = counted.as_dict() if counted else None


def gateway(context: Context, scale: Scale) -> dict[str, Any]:
    """The gateway in front, and the engine alone by its socket: the same loads in turn, in rounds that begin with the other one."""
    free_device(context)
    target, vocabulary = _served(scale.passed, context)
    flags = [*scale.flags, *(["--load-format", "dummy"] if scale.passed in scale.made else [])]
    with Stack(str(target), flags, logs=_logs(context)) as stack:
        loader = Loader(context, stack.model, vocabulary, scale.cap / 2, None)
        asyncio.run(_gateway_levels(loader, stack, scale))
        server = stack.server()
    return {"model": scale.passed, "server": server, "levels": loader.keep(), "skipped": loader.skipped}


async def _gateway_levels(loader: Loader, stack: Stack, scale: Scale) -> None:
    lengths = scale.lengths[0]
    ways = [("engine alone", stack.engine_target), ("through the gateway", stack.url)]
    for _, url in ways:
        await loader.warm_up(url, lengths, min(scale.concurrency[-1], 64))
    for number in range(scale.rounds):
        for concurrency in scale.concurrency:
            for way, url in ways if number % 2 == 0 else reversed(ways):
                await loader.level(url, lengths, concurrency, repeat=number, way=way)


def _served(name: str, context: Context) -> tuple[Path, int]:
    """The folder and vocabulary of a shape's bf16 checkpoint, or of a real model in the repository (models/...)."""
    from benchmarks.provenance import ROOT
    from benchmarks.suite.shapes import shape

    if name.startswith("models/"):
        vocabulary = json.loads((ROOT / name / "config.json").read_text(encoding="utf-8"))["vocab_size"]
        return ROOT / name, int(vocabulary)
    found = shape(name)
    return checkpoints.make(found, "bf16", context.folder / "checkpoints"), found.vocabulary


def _logs(context: Context) -> Path:
    return context.folder / "logs" / context.step
