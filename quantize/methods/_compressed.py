"""A checkpoint in compressed-tensors' format, written a layer at a time: what the methods of llm-compressor share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantize import sidefiles
from quantize.job import Event, Job, Report
from quantize.methods._names import ignored
from quantize.methods._streamed import HALF, give_back_memory
from quantize.source import LAYER, Source, read
from quantize.stream import Shards, Weights

if TYPE_CHECKING:
    import torch

OUTPUT = "lm_head"  # vLLM reads it unquantized
# tensors that one quantized weight becomes at most: packed, scale, zero point, shape
TENSORS = 4

Make = Callable[[str], "Mapping[str, torch.Tensor]"]
Other = Callable[[str], "torch.Tensor | None"]


class Checkpoint:
    """What is read and what is to be written: the tensors of `job.source`, those of them that are to be quantized, the type of the rest."""

    def __init__(self, job: Job):
        self.job = job
        self.source: Source = read(job.source)
        names = [linear.name for linear in self.source.linears]
        ignore = ignored(names, job.recipe["ignore"])
        self.quantized = sorted({*names} - {*ignore})
        self.kept = sorted({*ignore, *self.source.other_modules, OUTPUT})
        stored = self.source.config.get("dtype") or self.source.config.get("torch_dtype")
        self.dtype: str = stored if stored in HALF else HALF[0]

    def write(self, make: Make, scheme: Any, report: Report, phase: str, other: Other | None = None) -> None:
        """Write every tensor: `make(name)` gives those of the quantized layer `name`, by their full names; `other(name)` any other
        (None: it is left out); without `other` they are copied from the source. Layers are reported where `phase` is quantizing."""
        report(Event("phase", phase=phase))
        with Weights(self.job.source) as weights:
            shards = Shards(self.job.out, self.job.recipe["shard_size"], room(weights.stored))
            layers = in_order(weights.stored)
            total = sum(1 for inside, _ in layers if inside)
            quantized = set(self.quantized)
            done = 0
            for inside, members in layers:
                for name in members:
                    owner, _, last = name.rpartition(".")
                    if owner in quantized:
                        if last == "weight":  # its bias is among what `make` gives
                            shards.add({key: value.cpu() for key, value in make(owner).items()})
                    elif other is None:
                        shards.copy(weights, name, self.kind(weights.stored[name].dtype), name)
                    elif (tensor := other(name)) is not None:
                        shards.add({name: tensor.cpu()})
                    give_back_memory()
                done += inside
                if inside and phase == "quantizing":
                    report(Event("layer", done=done, total=total))
            if phase == "quantizing":
                report(Event("phase", phase="saving"))
            shards.finish({"format": "pt"})
        write_config(self.job.out, self.source.config, self.dtype, scheme, self.kept)
        sidefiles.copy(self.job.source, self.job.out)

    def kind(self, stored: str) -> str:
        """The type that a tensor is copied as: a model in float32 is made a half-precision one, others stay as they are."""
        halves = {"bfloat16": "BF16", "float16": "F16"}
        return halves[self.dtype] if stored == self.source.dtype else stored


def in_order(names: Iterable[str]) -> list[tuple[bool, list[str]]]:
    """The names as they are written: what lies before the decoder layers, then each layer (True), whatever file it lies in."""
    found: dict[int, list[str]] = {}
    for name in names:
        inside = LAYER.match(name)
        found.setdefault(int(inside[1]) if inside else -1, []).append(name)
    return [(number >= 0, sorted(found[number])) for number in sorted(found)]


def room(names: Iterable[str]) -> int:
    """Bytes that bound the header of one file that holds everything."""
    return 100 + sum(TENSORS * (len(name) + 160) for name in names)


def write_config(out: Path, config: Mapping[str, Any], dtype: str, scheme: Any, kept: list[str]) -> None:
    """The source's config.json, with the quantization as compressed-tensors writes it."""
    import compressed_tensors
    from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus

    about = QuantizationConfig(
        config_groups={"group_0": scheme},
        ignore=kept,
        format=scheme.format,
        quantization_status=QuantizationStatus.COMPRESSED,
    ).model_dump(mode="json", exclude={"quant_method"})
    whole = {"version": compressed_tensors.__version__, "quant_method": "compressed-tensors", **about}
    plain = {key: value for key, value in config.items() if key != "torch_dtype"}
    text = json.dumps({**plain, "dtype": dtype, "quantization_config": whole}, indent=2, ensure_ascii=False)
    (out / "config.json").write_text(text + "\n", encoding="utf-8")
