"""From a model in the configuration to folders on this disk: the checkpoint, its adapters, its draft model."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server import errors
from server.engine import checkpoint, manifest
from server.engine.manifest import Manifest
from server.errors import ModelNotFound, StartError
from server.settings import ROOT, Model

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Resolved:
    checkpoint: checkpoint.Checkpoint
    adapters: Mapping[str, Path] = field(default_factory=dict)
    adapter_rank: int = 0
    draft: Path | None = None
    manifest: Manifest | None = None


def check(model: Model) -> None:
    """Look at what of `model` is said to lie on this disk; hub ids are left for later. Raises StartError."""
    if folder := local(model.path or ""):
        checkpoint.inspect(folder)
        manifest.read(folder)
    for path in model.adapters.values():
        if folder := local(path):
            adapter_rank(folder)
    if model.speculative and model.speculative.model and (folder := local(model.speculative.model)):
        checkpoint.inspect(folder)
    if model.chat_template and not Path(model.chat_template).is_file():
        raise StartError(f"no chat template at {model.chat_template}: check `chat_template` of model '{model.name}'")


async def resolve(model: Model, report: Callable[[str], None]) -> Resolved:
    """Every folder of `model`, downloaded where it is not here; `report` is told how far. Raises StartError."""
    folder = await locate(model.path or "", model.revision, report)
    adapters = {name: await locate(path, None, report) for name, path in model.adapters.items()}
    spec = model.speculative
    draft = await locate(spec.model, None, report) if spec and spec.model else None
    return Resolved(
        checkpoint=checkpoint.inspect(folder),
        adapters=adapters,
        adapter_rank=max((adapter_rank(path) for path in adapters.values()), default=0),
        draft=draft,
        manifest=manifest.read(folder),
    )


def local(path: str) -> Path | None:
    """The folder that `path` names, here or in the project; None for what can only be a hub id. Raises ModelNotFound."""
    for found in (Path(path).expanduser(), ROOT / path):
        if found.exists():
            return found.resolve()
    if not HUB_ID.fullmatch(path):
        raise ModelNotFound(f"no model folder at {path}: check `path`, or give a Hugging Face id such as Qwen/Qwen3-0.6B")
    if "/" in path and (ROOT / path).parent.is_dir():  # models/demo and its neighbours: nobody's hub id
        raise ModelNotFound(f"no model folder at {path}: check `path`, or run `make demo-model` where it is the demo that is missing")
    return None


def adapter_rank(folder: Path) -> int:
    """The rank of the LoRA adapter in `folder`. Raises StartError."""
    if not (folder / "adapter_config.json").is_file():
        raise ModelNotFound(f"{folder} is not a LoRA adapter: it has no adapter_config.json; check `adapters`")
    config = checkpoint.read_json(folder / "adapter_config.json")
    ranks = [config.get("r"), *dict(config.get("rank_pattern") or {}).values()]
    return max((int(rank) for rank in ranks if isinstance(rank, int)), default=8)


async def locate(path: str, revision: str | None, report: Callable[[str], None]) -> Path:
    """The folder of `path`: a local one first, else the hub's, downloaded by a process that dies with this call."""
    if folder := local(path):
        return folder
    words = (sys.executable, "-m", "server.engine.hub", path, *([revision] if revision else []))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, cwd=ROOT, start_new_session=True)
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            said = json.loads(line)
            if "path" in said:
                return Path(said["path"])
            if "error" in said:
                raise getattr(errors, said["error"])(said["message"])
            report(said["detail"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise StartError(f"looking for the model '{path}' ended without a result (exit {process.returncode}): try `hf download {path}`")
