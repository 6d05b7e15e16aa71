"""How many bytes a checkpoint's weights are, by the headers of its files, whatever the format they are packed in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from quantize import headers
from quantize.headers import Tensor
from quantize.source import LAYER

BF16 = 2  # bytes
# A linear layer's name, then what its format keeps for it: weight, qweight, scales, qzeros, g_idx, weight_packed, weight_scale,
# SCB, weight.absmax, weight.quant_map, _weight_qdata, ...; not its bias, which no format quantizes.
PARAMETER = re.compile(r"^(.+?)\.(_?weight(?:[._].+)?|q?weight|qzeros|scales|g_idx|SCB)$")
PACKED = ("weight", "qweight", "weight_packed", "_weight_qdata")


class Sizes(BaseModel):
    """Bytes. `disk`: the weight files; `tensors`: all tensors in them; `linear`: the decoder's linear layers with their scales and
    zero points; `linear_bf16`: the same layers, two bytes a weight."""

    model_config = ConfigDict(frozen=True)

    disk: int
    tensors: int
    linear: int
    linear_bf16: int

    @property
    def linear_share(self) -> float:
        """Of bf16."""
        return self.linear / self.linear_bf16 if self.linear_bf16 else math.nan


def measure(folder: Path) -> Sizes:
    """Raises SourceError where the weights cannot be read."""
    tensors = headers.read(folder)
    bits = weight_bits(_quantization(folder))
    layers: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        found = PARAMETER.match(tensor.name)
        if found and LAYER.match(tensor.name):
            layers.setdefault(found[1], []).append(tensor)
    linear = linear_bf16 = 0
    for name, parts in layers.items():
        matrix = next((t for t in parts if t.name.rpartition(".")[2] in PACKED and len(t.shape) > 1), None)
        if matrix is None or re.search(r"embed|norm", name.rpartition(".")[2]):
            continue
        linear += sum(part.bytes for part in parts)
        linear_bf16 += BF16 * weights_in(matrix, bits)
    return Sizes(
        disk=sum(file.stat().st_size for file in {tensor.file for tensor in tensors}),
        tensors=sum(tensor.bytes for tensor in tensors),
        linear=linear,
        linear_bf16=linear_bf16,
    )


def weights_in(matrix: Tensor, bits: int) -> int:
    """How many weights a stored matrix holds: several in one number where that is an int32, or uint8 of 4-bit ones."""
    numbers = math.prod(matrix.shape)
    width = {"I32": 32, "I64": 64, "U8": 8}.get(matrix.dtype)
    return numbers * width // bits if width and bits else numbers


def weight_bits(quantization: Mapping[str, Any]) -> int:
    """Bits of a quantized weight by config.json's `quantization_config`; 0 where the model is not quantized, or it does not say."""
    if isinstance(quantization.get("bits"), int):  # gptq, awq
        return int(quantization["bits"])
    if quantization.get("load_in_4bit") or quantization.get("load_in_8bit"):  # bitsandbytes
        return 4 if quantization.get("load_in_4bit") else 8
    for group in (quantization.get("config_groups") or {}).values():  # compressed-tensors
        if isinstance(group, Mapping) and (group.get("weights") or {}).get("num_bits"):
            return int(group["weights"]["num_bits"])
    kind = json.dumps(quantization.get("quant_type") or "")  # torchao
    return next((int(found[1]) for found in [re.search(r"(?:Int|Float|UInt)(4|8)", kind)] if found), 0)


def _quantization(folder: Path) -> Mapping[str, Any]:
    return checkpoint_config(folder).get("quantization_config") or {}


def checkpoint_config(folder: Path) -> dict[str, Any]:
    """config.json; empty where it cannot be read, which serving the model will say better."""
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
