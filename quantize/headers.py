"""The weights of a model folder by the headers of its safetensors files: names, types, shapes, bytes. No weight is read."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize.errors import SourceError
from quantize.units import size

LONGEST_HEADER = 100 * 2**20  # the format's own limit
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.msgpack", "*.h5")
CONVERT = (
    "convert it to safetensors with `python -c 'from transformers import AutoModelForCausalLM as A; "
    'A.from_pretrained("{folder}").save_pretrained("{folder}-safetensors")\'` and copy the tokenizer\'s files beside it'
)


@dataclass(frozen=True)
class Tensor:
    name: str
    dtype: str  # BF16, F16, F32, ... as safetensors names them
    shape: tuple[int, ...]
    bytes: int
    file: Path
    begin: int = 0  # where its bytes begin in the file


def read(folder: Path) -> list[Tensor]:
    """All tensors of the model in `folder`, in the files' order. Raises SourceError."""
    found = [tensor for file in _files(folder) for tensor in _tensors(file)]
    if not found:
        raise SourceError(f"the safetensors files of {folder} hold no tensors: copy or download the model again")
    return found


def _files(folder: Path) -> list[Path]:
    """The weight files: those that the index names, else all; a `consolidated` copy of the same weights is left out."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = _shards(index)
        missing = [name for name in named if not (folder / name).is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise SourceError(f"{index} names {missing[0]}{more}, and it is not there: copy or download the model again")
        return [folder / name for name in named]
    files = sorted(f for f in folder.glob("*.safetensors") if not f.name.startswith(("consolidated", "adapter_")))
    for file in files:
        part = re.fullmatch(r"(.+)-\d+-of-(\d+)\.safetensors", file.name)
        if part and int(part[2]) != len(files):
            raise SourceError(
                f"{folder} has {len(files)} of {int(part[2])} weight files ({part[1]}-...) and no index: copy or download the model again"
            )
    if files:
        return files
    if any(folder.glob("*.gguf")):
        raise SourceError(gguf(folder))
    if (folder / "adapter_config.json").is_file():
        raise SourceError(f"{folder} is a LoRA adapter, not a model: merge it into its base model first, and give the merged folder")
    other = next((name for pattern in OTHER_WEIGHTS for name in folder.glob(pattern)), None)
    if other:
        raise SourceError(f"{folder} has its weights in {other.name}, not in safetensors: {CONVERT.format(folder=folder)}")
    raise SourceError(f"{folder} has a config.json but no weights (*.safetensors): copy or download the model again")


def gguf(path: Path) -> str:
    return f"{path} is GGUF, which is already quantized, for llama.cpp: give the original model (its card names it as base_model)"


def _shards(index: Path) -> list[str]:
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not named or any(Path(name).name != name for name in named):
            raise ValueError("it names no files, or files elsewhere")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"cannot read {index} ({error}): copy or download it again") from None
    return named


def _tensors(file: Path) -> list[Tensor]:
    """https://huggingface.co/docs/safetensors: eight bytes of header length, a JSON header, then the bytes."""
    there = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        if (start + opened.read(40)).startswith(b"version https://git-lfs"):
            raise SourceError(f"{file} is a Git LFS pointer, not the weights: run `git lfs pull` in its folder")
        if start.startswith(b"GGUF"):
            raise SourceError(gguf(file))
        if len(start) < 8:
            raise SourceError(_cut_short(file, there))
        (length,) = struct.unpack("<Q", start)
        if length > LONGEST_HEADER:
            raise SourceError(f"{file} is not a safetensors file: copy or download it again")
        if there < 8 + length:
            raise SourceError(_cut_short(file, there, 8 + length))
        opened.seek(8)
        try:
            header = json.loads(opened.read(length))
            found = [_tensor(name, entry, file, 8 + length) for name, entry in header.items() if name != "__metadata__"]
            total = max((int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise SourceError(f"{file} is not a whole safetensors file ({error}): copy or download it again") from None
    if there < 8 + length + total:
        raise SourceError(_cut_short(file, there, 8 + length + total))
    return found


def _tensor(name: str, entry: dict[str, Any], file: Path, start: int) -> Tensor:
    first, last = entry["data_offsets"]
    return Tensor(name, str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), int(last) - int(first), file, start + int(first))


def _cut_short(file: Path, there: int, needed: int = 0) -> str:
    of = f" of at least {needed:,} ({size(there)} of {size(needed)})" if needed else ""
    return f"{file} is cut short: {there:,} bytes are there{of}; copy or download it again"
