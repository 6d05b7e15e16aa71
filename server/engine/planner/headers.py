"""The tensors of a model by the headers of its safetensors files, in a folder or on a hub. No weight is read.

Format: https://huggingface.co/docs/safetensors (eight bytes of header length, then JSON).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.engine.checkpoint import read_header, read_json
from server.errors import ModelNotFound, StartError

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.gguf", "*.h5", "*.msgpack")


@dataclass(frozen=True)
class Tensor:
    """`dtype` as safetensors names it: BF16, F16, F32, I32, F8_E4M3, ..."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read(folder: Path) -> list[Tensor]:
    """All tensors of the model in `folder`. Raises ModelNotFound, StartError."""
    return [tensor for file in files(folder) for tensor in parse(read_header(file)[0], file.name)]


def files(folder: Path) -> list[Path]:
    """The weight files: those that the index names, else all; `consolidated` copies and adapters are left out."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = shards(read_json(index), str(index))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise StartError(f"{index} names {missing[0]}, and it is not there: copy or download the model again")
        return [folder / name for name in names]
    found = sorted(folder.glob("*.safetensors"))
    kept = [file for file in found if not file.name.startswith(("consolidated", "adapter_"))] or found
    if kept:
        return kept
    other = next((file.name for pattern in OTHER_WEIGHTS for file in sorted(folder.glob(pattern))), None)
    if other:
        raise StartError(f"{folder} has its weights in {other}: planning reads safetensors headers, so give the model in that form")
    raise ModelNotFound(f"{folder} has a config.json but no weights (*.safetensors): copy or download the model again")


def shards(index: Mapping[str, Any], where: str) -> list[str]:
    """The files that an index names. Raises StartError."""
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names:
        raise StartError(f"{where} has no weight_map: copy or download the model again")
    return sorted({str(name) for name in names.values()})


def parse(header: Mapping[str, Any], where: str) -> list[Tensor]:
    """The tensors of one header. Raises StartError."""
    found = []
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        try:
            begin, end = tensor["data_offsets"]
            found.append(Tensor(name, str(tensor["dtype"]), tuple(int(n) for n in tensor["shape"]), int(end) - int(begin)))
        except (KeyError, TypeError, ValueError):
            raise StartError(f"the header of {where} describes '{name}' wrongly: copy or download the model again") from None
    return found
