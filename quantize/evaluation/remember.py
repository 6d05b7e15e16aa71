"""A result goes into the checkpoint's own sllm.json, where it has one."""

from __future__ import annotations

import os
from pathlib import Path

from quantize import manifest
from quantize.evaluation.compare import Result
from quantize.manifest import Engine


def remember(folder: Path, result: Result) -> list[str]:
    """Write `evaluation`, and the engine among those it was loaded with; every other key stays. What could not be written, in words."""
    written = manifest.read(folder)
    if written is None:
        return []
    if not os.access(folder, os.W_OK):
        return [f"{result.name}: not written into its sllm.json: the folder cannot be written to"]
    engine = Engine(
        distribution=result.engine,
        version=result.engine_version or "",
        device=result.device or "",
        date=result.date,
        passed=True,
    )
    kept = tuple(old for old in written.serve.engines if _key(old) != _key(engine))
    serve = written.serve.model_copy(update={"engines": (*kept, engine)})
    try:
        manifest.write(folder, written.model_copy(update={"evaluation": result.to_dict(), "serve": serve}))
    except OSError as error:
        return [f"{result.name}: not written into its sllm.json: {error.strerror}"]
    return []


def _key(engine: Engine) -> tuple[str, str, str]:
    return engine.distribution, engine.version, engine.device
