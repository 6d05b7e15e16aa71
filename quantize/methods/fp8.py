"""8-bit floating point: a scale a row of weights, and one a token of activations, found while serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.job import Job, Report
from quantize.methods import _llmcompressor, _schemes
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    _llmcompressor.rounded(job, report, lambda: _schemes.preset("FP8_DYNAMIC"))


def peak(source: Source, recipe: Recipe) -> int:
    return _llmcompressor.peak_rounded(source)


METHOD = Method(
    name="fp8",
    title="8-bit floats, weights and activations",
    library="llmcompressor",
    environment="llm-compressor",
    checkpoint="compressed-tensors",
    scheme="fp8",
    bits=(8,),
    run=run,
    peak=peak,
)
