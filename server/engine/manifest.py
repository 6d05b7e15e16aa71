"""sllm.json: what `sllm quantize` writes into a checkpoint about itself. Read here, written there; this file is the meeting point.

A checkpoint may come from anywhere, so its manifest is not trusted with every flag of the engine: only those in FLAGS count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from server.errors import StartError

FILE = "sllm.json"
FLAGS = ("quantization", "dtype", "load-format", "kv-cache-dtype", "enforce-eager", "max-model-len", "tokenizer-mode")


class Base(msgspec.Struct, frozen=True):
    name: str = ""
    digest: str = ""


class Weights(msgspec.Struct, frozen=True):
    digest: str = ""
    bytes: int = 0
    bits: int = 0


class Serve(msgspec.Struct, frozen=True):
    target: str = ""
    flags: dict[str, Any] = {}
    plugins: list[str] = []
    engines: list[dict[str, Any]] = []


class Manifest(msgspec.Struct, frozen=True):
    """The keys that serving needs; the others are left alone."""

    method: str
    base: Base = Base()
    weights: Weights = Weights()
    serve: Serve = Serve()
    check: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None

    @property
    def flags(self) -> dict[str, Any]:
        """The engine's flags that this checkpoint needs, as far as a checkpoint may set them."""
        return {_spelled(name): value for name, value in self.serve.flags.items() if _spelled(name) in FLAGS}

    @property
    def refused(self) -> list[str]:
        """The flags that it names and may not set."""
        return [name for name in self.serve.flags if _spelled(name) not in FLAGS]

    def checked_with(self, version: str) -> bool:
        """Whether it was seen to work with this version of vLLM."""
        return any(engine.get("version") == version and engine.get("passed") for engine in self.serve.engines)


def read(folder: Path) -> Manifest | None:
    """The manifest in `folder`, or None where there is none. Raises StartError where it is not one."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StartError(f"cannot read {folder / FILE}: {error}; quantize again, or delete it to serve the checkpoint without") from None


def remarks(manifest: Manifest | None, version: str, kind: str) -> list[str]:
    """Lines for people about a checkpoint that starts under vLLM `version` on `kind` (cuda or cpu)."""
    if manifest is None:
        return []
    made = f"{manifest.method} of {manifest.base.name or 'an unnamed model'}"
    seen = f"checked with vLLM {version}" if manifest.checked_with(version) else f"not yet checked with vLLM {version}"
    lines = [f"{made}, {seen}"]
    if manifest.serve.target and manifest.serve.target != kind:
        lines.append(f"it was made for an engine on {manifest.serve.target}, and this one runs on {kind}: it may not start")
    if manifest.refused:
        lines.append(f"its sllm.json names engine flags that a checkpoint may not set: {', '.join(manifest.refused)}")
    return lines


def card(manifest: Manifest | None, checkpoint: str, bits: int) -> dict[str, Any] | None:
    """What /v1/models says of a quantized model; None for one that is not. `checkpoint` is the format by config.json's own word."""
    if manifest is None:
        return {"checkpoint": checkpoint, "bits": bits or None} if checkpoint else None
    return {
        "checkpoint": checkpoint or None,
        "bits": bits or manifest.weights.bits or None,
        "method": manifest.method,
        "base": manifest.base.name,
        "base_digest": manifest.base.digest,
        "weights_digest": manifest.weights.digest,
        "bytes": manifest.weights.bytes,
        "engines": manifest.serve.engines,
        "check": _figures(manifest.check),
        "evaluation": _figures(manifest.evaluation),
    }


def _figures(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The plain figures of a section, without its lists of questions and samples."""
    if section is None:
        return None
    return {key: value for key, value in section.items() if isinstance(value, (int, float, str, bool)) or value is None}


def _spelled(name: str) -> str:
    return name.lstrip("-").replace("_", "-")
