"""Checkpoints of random weights, made on the spot: config.json, a tokenizer, model.safetensors. No network, no model library.

bf16 and fp8: the file has its header, by which `sllm plan` sees what the engine will load, and behind it a hole that takes no disk;
the engine fills the weights itself (`--load-format dummy`). fp8 is a checkpoint of compressed-tensors, not `--quantization fp8`
over bf16: that does not start without a GPU (vLLM 0.32), and the layers are computed the same way.
gptq, awq, bnb: the packed tensors are written, of random bits, and loaded like any other. vLLM's dummy weights do not do for
them: integers stay uninitialised, and bitsandbytes' scales are known to its own loader only.

The tokenizer is the demo model's with its vocabulary filled up to the shape's by made-up words. So every token that a model of
random weights says has a text, and an answer costs the engine what any other costs it. The other way, `--skip-tokenizer-init`,
leaves the streams without text, and chat without a template. Prompts are lists of token ids, so no text is ever cut up.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from array import array
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.errors import BenchError
from benchmarks.provenance import ROOT
from benchmarks.suite.shapes import Shape
from benchmarks.suite.tensors import BYTES, GROUP, Format, Tensor, quantization, tensors

DEMO = ROOT / "models/demo"
LAYOUT = 2  # raise it when the files change: what an earlier version made is then made again
BLOCK = 4 * 2**20  # bytes of random content, repeated in larger tensors
DUMMY: tuple[Format, ...] = ("bf16", "fp8")
SPARE = 2 * 2**30  # bytes that stay free on the disk


def make(shape: Shape, format: Format, folder: Path) -> Path:
    """The checkpoint's folder, folder/SHAPE-FORMAT; made unless it is there whole. Raises BenchError where the disk is too full."""
    made = folder / f"{shape.name}-{format}"
    parts = list(tensors(shape, format))
    mark = {"layout": LAYOUT, "config": shape.config(), "bytes": sum(part.nbytes for part in parts)}
    if _is_whole(made, mark):
        return made
    needed = 0 if format in DUMMY else sum(part.nbytes for part in parts)
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < needed + SPARE:
        raise BenchError(
            f"{made.name} needs {needed / 2**30:.1f} GiB of disk and {free / 2**30:.1f} GiB are free in {folder}: choose another with --out"
        )
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    config = shape.config() | ({"quantization_config": found} if (found := quantization(format)) else {})
    (made / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer(shape.vocabulary, made)
    with (made / "model.safetensors").open("wb") as file:
        write(parts, file, hole=format in DUMMY)
    (made / "made.json").write_text(json.dumps(mark))  # last: without it the folder is not whole
    return made


def flags(format: Format) -> list[str]:
    """The engine's flags for a checkpoint of this format."""
    return ["--load-format", "dummy"] if format in DUMMY else []


def _is_whole(made: Path, mark: dict[str, Any]) -> bool:
    try:
        found = json.loads((made / "made.json").read_text())
        return bool(found == mark and (made / "model.safetensors").stat().st_size > mark["bytes"])
    except (OSError, ValueError):
        return False


def write(parts: list[Tensor], file: BinaryIO, *, hole: bool) -> None:
    """A safetensors file: eight bytes with the header's length, the header as JSON, the tensors one behind the other."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for part in parts:
        header[part.name] = {"dtype": part.dtype, "shape": list(part.size), "data_offsets": [end, end + part.nbytes]}
        end += part.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
    file.write(struct.pack("<Q", len(text)) + text)
    if hole:
        file.truncate(8 + len(text) + end)
        return
    source = random.Random(0)
    blocks: dict[tuple[str, str], bytes] = {}
    for part in parts:
        _fill(file, part.nbytes, _content(part, source, blocks))


def _content(part: Tensor, source: random.Random, blocks: dict[tuple[str, str], bytes]) -> bytes:
    """Bytes that are repeated until the tensor is full."""
    if isinstance(part.content, bytes):
        return part.content
    if part.content == "groups":
        return array("i", [place // GROUP for place in range(part.size[0])]).tobytes()
    key = (part.content, "" if part.content == "random" else part.dtype)
    if key not in blocks:
        if part.content == "random":
            blocks[key] = source.randbytes(BLOCK)
        else:
            low, high = (0.001, 0.003) if part.content == "positive" else (-0.02, 0.02)
            blocks[key] = numbers([source.uniform(low, high) for _ in range(BLOCK // 64)], part.dtype)
    return blocks[key]


def numbers(values: list[float], dtype: str) -> bytes:
    """Numbers as safetensors keeps them. BF16 is the upper half of a float32 (cut, not rounded)."""
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    whole = struct.pack(f"<{len(values)}f", *values)
    if dtype == "F32":
        return whole
    half = bytearray(BYTES["BF16"] * len(values))
    half[0::2], half[1::2] = whole[2::4], whole[3::4]
    return bytes(half)


def _fill(file: BinaryIO, length: int, content: bytes) -> None:
    whole, rest = divmod(length, len(content))
    for _ in range(whole):
        file.write(content)
    file.write(content[:rest])


def tokenizer(vocabulary: int, folder: Path) -> None:
    """The demo model's tokenizer in `folder`, with a word for each id up to `vocabulary`."""
    described = json.loads((DEMO / "tokenizer.json").read_text(encoding="utf-8"))
    words = described["model"]["vocab"]
    words.update({token["content"]: token["id"] for token in described["added_tokens"]})  # else they get ids behind ours
    known = set(words.values())
    words.update({f"Ġw{place}": place for place in range(vocabulary) if place not in known})  # Ġ: a space, in byte-level BPE's alphabet
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        if (DEMO / name).is_file():
            shutil.copyfile(DEMO / name, folder / name)


def remove(made: Path) -> None:
    """A checkpoint that took disk is removed; one with a hole stays, since other steps serve it too."""
    if _blocks(made / "model.safetensors") > BLOCK:
        shutil.rmtree(made, ignore_errors=True)


def _blocks(file: Path) -> int:
    """Bytes that the file takes on the disk."""
    try:
        return os.stat(file).st_blocks * 512
    except OSError:
        return 0
