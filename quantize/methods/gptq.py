"""GPTQ: weights quantized one column after the other, each error made good by the columns that follow
(https://arxiv.org/abs/2210.17323), by GPTQModel; the format that AutoGPTQ began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.job import Job, Report
from quantize.methods import _gptqmodel
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    choices = {"damp_percent": job.recipe["damping"], "desc_act": job.recipe["desc_act"]}
    _gptqmodel.run(job, report, choices, "GPTQ_TORCH")


def peak(source: Source, recipe: Recipe) -> int:
    return 0


METHOD = Method(
    name="gptq",
    title="4-bit weights, GPTQ",
    library="gptqmodel",
    environment="engine",
    checkpoint="gptq",
    scheme="gptq",
    bits=(4, 8),
    run=run,
    peak=peak,
    grouped=True,
    calibrated=True,
)
