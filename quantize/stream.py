"""Weights from safetensors to safetensors, a tensor at a time, so that memory holds one tensor and never a model.

`Weights` reads with pread (a mapped file would count as resident memory), `Shards` writes. The format is
https://huggingface.co/docs/safetensors: eight bytes with the length of a JSON header, the header, the tensors' bytes.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from quantize import headers
from quantize.errors import SourceError
from quantize.headers import Tensor

if TYPE_CHECKING:
    import torch

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
CHUNK = 8 * 2**20  # bytes copied at a time
ALIGNMENT = 8  # bytes; the widest element of a tensor
HELD = 64 * 2**20  # bytes of tensors of odd length that may wait for the end of a file

# safetensors' names of torch's types
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
NAMES = {name: key for key, name in DTYPES.items()}


class Weights:
    """The tensors of a model folder by name, in the files' order. A context manager; raises SourceError for what cannot be read."""

    def __init__(self, folder: Path):
        self._open: dict[Path, int] = {}
        self._stack = ExitStack()
        self.stored: dict[str, Tensor] = {tensor.name: tensor for tensor in headers.read(folder)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        self._open.clear()

    def read(self, name: str) -> torch.Tensor:
        import torch

        stored = self.stored[name]
        buffer = bytearray(stored.bytes)
        self._fill(stored, stored.begin, memoryview(buffer))
        dtype = _torch(stored.dtype)
        return torch.frombuffer(buffer, dtype=dtype).reshape(stored.shape) if buffer else torch.empty(stored.shape, dtype=dtype)

    def pieces(self, name: str, dtype: str) -> Iterator[memoryview]:
        """The bytes of a tensor, cast to `dtype`, a few megabytes at a time."""
        import torch

        stored = self.stored[name]
        for done in range(0, stored.bytes, CHUNK):
            buffer = bytearray(min(CHUNK, stored.bytes - done))
            self._fill(stored, stored.begin + done, memoryview(buffer))
            if dtype == stored.dtype:
                yield memoryview(buffer)
            else:
                yield as_bytes(torch.frombuffer(buffer, dtype=_torch(stored.dtype)).to(_torch(dtype)))

    def _fill(self, stored: Tensor, offset: int, into: memoryview) -> None:
        if stored.file not in self._open:
            self._open[stored.file] = descriptor = os.open(stored.file, os.O_RDONLY)
            self._stack.callback(os.close, descriptor)
        done = 0
        while done < len(into):
            count = os.preadv(self._open[stored.file], [into[done:]], offset + done)
            if count == 0:
                raise SourceError(f"{stored.file} ended while it was read: download it again")
            done += count


class Shards:
    """Writes tensors into files of at most `limit` bytes of weights, and their index.

    Each file keeps `room` bytes free for its header, which is written last and padded with spaces. Tensors of a length
    that would leave the next one unaligned wait for the end of their file.
    """

    def __init__(self, folder: Path, limit: int, room: int):
        self.folder, self.limit = folder, limit
        self.room = math.ceil(room / ALIGNMENT) * ALIGNMENT
        self._headers: list[dict[str, dict[str, object]]] = []
        self._waiting: dict[str, torch.Tensor] = {}
        self._file = -1
        self._used = 0

    def add(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write tensors that belong together into one file."""
        self._make_room(sum(tensor.nbytes for tensor in tensors.values()))
        for name, tensor in tensors.items():
            if tensor.nbytes % ALIGNMENT:
                self._waiting[name] = tensor
            else:
                self._put(name, tensor)

    def copy(self, weights: Weights, name: str, dtype: str, written: str) -> None:
        """Write one tensor of `weights` by the name `written`, cast to `dtype` (BF16 ...), never holding it whole."""
        stored = weights.stored[name]
        size = math.prod(stored.shape) * _torch(dtype).itemsize
        if size % ALIGNMENT:
            self.add({written: weights.read(name).to(_torch(dtype))})
            return
        self._make_room(size)
        self._enter(written, dtype, stored.shape, size)
        for piece in weights.pieces(name, dtype):
            _write(self._file, piece)

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the headers, give the files their names, and write the index where there are several."""
        self._close()
        count = len(self._headers)
        places: dict[str, str] = {}
        total = 0
        for number, header in enumerate(self._headers, start=1):
            name = SINGLE if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"
            text = json.dumps({"__metadata__": dict(metadata), **header}, separators=(",", ":")).encode()
            if len(text) > self.room:
                raise ValueError(f"{len(text)} bytes of header where {self.room} were kept free")
            part = self._part(number)
            with open(part, "r+b") as file:
                file.write(struct.pack("<Q", self.room) + text.ljust(self.room))
            part.rename(self.folder / name)
            places.update(dict.fromkeys(header, name))
            total += sum(end - begin for begin, end in (_span(entry) for entry in header.values()))
        if count > 1:
            index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
            (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _make_room(self, size: int) -> None:
        waiting = sum(tensor.nbytes for tensor in self._waiting.values())
        if self._file >= 0 and (self._used + waiting + size > self.limit or waiting > HELD) and self._headers[-1] | self._waiting:
            self._close()
        if self._file < 0:
            self._headers.append({})
            self._file = os.open(self._part(len(self._headers)), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.lseek(self._file, 8 + self.room, os.SEEK_SET)
            self._used = 0

    def _close(self) -> None:
        if self._file < 0:
            return
        for name, tensor in sorted(self._waiting.items(), key=lambda item: -item[1].element_size()):
            self._put(name, tensor)
        self._waiting.clear()
        os.close(self._file)
        self._file = -1

    def _put(self, name: str, tensor: torch.Tensor) -> None:
        self._enter(name, NAMES[str(tensor.dtype).removeprefix("torch.")], tuple(tensor.shape), tensor.nbytes)
        _write(self._file, as_bytes(tensor))

    def _enter(self, name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
        self._headers[-1][name] = {"dtype": dtype, "shape": [*shape], "data_offsets": [self._used, self._used + size]}
        self._used += size

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}"


def as_bytes(tensor: torch.Tensor) -> memoryview:
    import torch

    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _torch(dtype: str) -> torch.dtype:
    """torch's type by safetensors' name of it."""
    import torch

    found: torch.dtype = getattr(torch, DTYPES[dtype])
    return found


def _span(entry: Mapping[str, object]) -> tuple[int, int]:
    span = entry["data_offsets"]
    assert isinstance(span, list)
    return span[0], span[1]
