"""8-bit weights with a scale a row, 8-bit activations with a scale a token measured while it runs, by torchao."""

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
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    return Int8DynamicActivationInt8WeightConfig()


def peak(source: Source, recipe: Recipe) -> int:
    return _streamed.peak(source, 5)


METHOD = Method(
    name="int8-dynamic",
    title="8-bit weights and activations",
    library="torchao",
    environment="engine",
    checkpoint="torchao",
    scheme="torchao",
    bits=(8,),
    run=run,
    peak=peak,
)
