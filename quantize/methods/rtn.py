"""4-bit weights rounded to the nearest value: what the other 4-bit methods must be better than."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.job import Job, Report
from quantize.methods import _llmcompressor, _schemes
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    _llmcompressor.rounded(job, report, lambda: _schemes.weights(job.recipe))


def peak(source: Source, recipe: Recipe) -> int:
    return _llmcompressor.peak_rounded(source)


METHOD = Method(
    name="rtn",
    title="4-bit weights, plain rounding",
    library="llmcompressor",
    environment="llm-compressor",
    checkpoint="compressed-tensors",
    scheme="wna16",
    bits=(4, 8),
    run=run,
    peak=peak,
    grouped=True,
    control=True,
)
