"""AWQ: weights scaled up where activations are large before they are rounded (https://arxiv.org/abs/2306.00978), by GPTQModel;
the format that AutoAWQ began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.job import Job, Report
from quantize.methods import _gptqmodel
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    from gptqmodel.quantization import FORMAT, METHOD

    _gptqmodel.run(job, report, {"method": METHOD.AWQ, "format": FORMAT.GEMM}, "AWQ_TORCH")


def peak(source: Source, recipe: Recipe) -> int:
    return 0


METHOD = Method(
    name="awq",
    title="4-bit weights, AWQ",
    library="gptqmodel",
    environment="engine",
    checkpoint="awq",
    scheme="awq",
    bits=(4,),
    run=run,
    peak=peak,
    grouped=True,
    calibrated=True,
)
