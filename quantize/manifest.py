"""`sllm.json` in a checkpoint: what it was made from and how, what it cost, how it is served, and how good it was found to be."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantize.errors import SourceError

FILE = "sllm.json"
FORMAT = 1


class Part(BaseModel):
    """Keys that a later version has added are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Base(Part):
    """The model that was quantized. `digest` as in quantize/digest.py; `weight_bytes` by the safetensors headers."""

    name: str
    digest: str
    architecture: str
    weight_bytes: int


class Weights(Part):
    """`bytes` of all weight files; `linear_bytes` of the quantized layers, scales included, and what they are in bf16.

    `checkpoint` is config.json's `quant_method`."""

    digest: str
    bytes: int
    linear_bytes: int
    linear_bf16_bytes: int
    bits: int
    checkpoint: str


class Calibration(Part):
    source: str
    digest: str
    samples: int
    tokens: int
    seed: int


class Cost(Part):
    """Wall time and resident memory of the process that quantized, measured and predicted."""

    seconds: float
    peak_memory_bytes: int
    predicted_memory_bytes: int


class Engine(Part):
    """An engine that this checkpoint was loaded with; `passed`: whether it also answered as it should."""

    distribution: str
    version: str
    device: str
    date: str
    passed: bool


class Serve(Part):
    """`flags` of vLLM that this checkpoint needs, `plugins` that must be installed beside it."""

    target: str
    flags: Mapping[str, Any] = {}
    plugins: tuple[str, ...] = ()
    engines: tuple[Engine, ...] = ()


class Question(Part):
    prompt: str
    answer: str
    baseline: str | None = None


class Check(Part):
    """`passed` is None where it could not be tried on this machine; `reason` says why it failed or was not tried."""

    passed: bool | None
    date: str
    baseline: str | None = None
    reason: str = ""
    questions: tuple[Question, ...] = ()
    mean_abs_logprob_difference: float | None = None
    agreement: float | None = None


class Manifest(Part):
    format: int = FORMAT
    name: str
    method: str
    created: str = Field(description="ISO 8601, UTC.")
    base: Base
    weights: Weights
    recipe: Mapping[str, Any]
    calibration: Calibration | None = None
    versions: Mapping[str, str]
    cost: Cost
    serve: Serve
    check: Check | None = None
    evaluation: Mapping[str, Any] | None = None


def read(folder: Path) -> Manifest | None:
    """The manifest in `folder`, None where there is none. Raises SourceError where it cannot be read."""
    file = folder / FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read ({error}): make the checkpoint again, or remove this file to go without it") from None
    written = data.get("format") if isinstance(data, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise SourceError(f"{file} has format {written}, and this sllm reads up to {FORMAT}: update sllm, or remove the file")
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise SourceError(
            f"{file}: {where}: {first['msg'].lower()}: make the checkpoint again, or remove this file to go without it"
        ) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Write it aside and rename it: a reader sees the old one or the new one."""
    aside = folder / f".{FILE}.new"
    aside.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(aside, folder / FILE)
