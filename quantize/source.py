"""The model to quantize, read from its small files and the headers of its weights. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Linear:
    """A linear layer inside the decoder: `name` without `.weight`."""

    name: str
    outputs: int
    inputs: int
    bytes: int


@dataclass(frozen=True)
class Source:
    """A model folder. Bytes are sums over tensors, by the safetensors headers."""

    path: Path
    name: str
    architecture: str
    model_type: str
    config: Mapping[str, Any]
    layers: int
    linears: tuple[Linear, ...]
    weight_bytes: int
    largest_layer: int  # bytes of the largest decoder layer
    chat_template: bool
