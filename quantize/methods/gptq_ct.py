"""GPTQ (https://arxiv.org/abs/2210.17323) by llm-compressor: 4-bit weights whose rounding errors are made good by those after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _llmcompressor, _schemes
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    def steps(scheme: Any, kept: list[str]) -> list[Any]:
        from llmcompressor.modifiers.gptq import GPTQModifier

        groups = {"group_0": scheme}
        return [GPTQModifier(config_groups=groups, ignore=kept, dampening_frac=job.recipe["damping"], batched_quantization=None)]

    _llmcompressor.calibrated(job, report, lambda: _schemes.weights(job.recipe, searched=True), steps)


def peak(source: Source, recipe: Recipe) -> int:
    return _llmcompressor.peak_gptq(source, recipe)


METHOD = Method(
    name="gptq-ct",
    title="4-bit weights, GPTQ",
    library="llmcompressor",
    environment="llm-compressor",
    checkpoint="compressed-tensors",
    scheme="wna16",
    bits=(4,),
    run=run,
    peak=peak,
    grouped=True,
    calibrated=True,
    defaults={"symmetric": False, "damping": 0.01},
    scratch=_llmcompressor.scratch,
)
