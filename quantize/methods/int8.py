"""8-bit weights with a scale a row, activations as they are, by torchao."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _streamed, _torchao
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    _torchao.run(job, report, scheme)


def scheme() -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return Int8WeightOnlyConfig()


def peak(source: Source, recipe: Recipe) -> int:
    return _streamed.peak(source, 5)


METHOD = Method(
    name="int8",
    title="8-bit weights",
    library="torchao",
    environment="engine",
    checkpoint="torchao",
    scheme="torchao",
    bits=(8,),
    run=run,
    peak=peak,
)
