"""What the suite runs, at two scales: the one that the figures are for, and one that proves every step on a machine without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.suite.loads import Lengths
from benchmarks.suite.shapes import SHAPES
from benchmarks.suite.tensors import FORMATS, Format


@dataclass(frozen=True)
class Scale:
    name: str
    cells: tuple[tuple[str, Format], ...]  # shape and format; the most wanted first
    concurrency: tuple[int, ...]
    lengths: tuple[Lengths, ...]
    prefill: int  # tokens of the prompts whose prefill is measured
    prefill_concurrency: int
    cap: float  # seconds in which a level begins requests
    context: int  # --max-model-len
    target: str  # of speculation: a shape, or a model in the repository
    draft: str
    proposed: int  # tokens that are proposed at a time
    speculated: tuple[int, ...]  # concurrencies
    passed: str  # what the gateway stands in front of
    rounds: int
    cell_seconds: float  # estimates
    start_seconds: float

    @property
    def flags(self) -> tuple[str, ...]:
        """Of every engine. No prefix is shared and none is kept, so that every prompt is computed."""
        return ("--max-model-len", str(self.context), "--max-num-seqs", str(max(256, *self.concurrency)), "--no-enable-prefix-caching")

    @property
    def made(self) -> frozenset[str]:
        """Names that mean random weights."""
        return frozenset(SHAPES)


def _cells(shapes: tuple[str, ...]) -> tuple[tuple[str, Format], ...]:
    return tuple((shape, format) for shape in shapes for format in FORMATS)


GPU = Scale(
    name="gpu",
    cells=_cells(("Llama-3.1-8B", "Qwen2.5-1.5B", "Qwen2.5-0.5B", "Llama-3.2-1B", "Qwen3-8B")),
    concurrency=(1, 8, 64, 256, 1024),
    lengths=(Lengths(128, 128), Lengths(1024, 128), Lengths(128, 1024)),
    prefill=1024,
    prefill_concurrency=16,
    cap=8.0,
    context=2048,
    target="Llama-3.1-8B",
    draft="Llama-3.2-1B",
    proposed=4,
    speculated=(1, 8, 64),
    passed="Qwen2.5-0.5B",
    rounds=3,
    cell_seconds=260.0,
    start_seconds=90.0,
)

CPU = Scale(
    name="cpu",
    cells=(*_cells(("demo",)), ("tiny-qwen2", "bf16"), ("tiny-qwen3", "gptq")),
    concurrency=(1, 4),
    lengths=(Lengths(32, 16), Lengths(128, 16), Lengths(16, 64)),
    prefill=256,
    prefill_concurrency=2,
    cap=1.0,
    context=1024,
    target="models/demo",
    draft="models/demo/draft",
    proposed=4,
    speculated=(1, 4),
    passed="models/demo",
    rounds=2,
    cell_seconds=55.0,
    start_seconds=45.0,
)

SCALES = {scale.name: scale for scale in (GPU, CPU)}
