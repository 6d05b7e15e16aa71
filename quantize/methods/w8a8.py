"""8-bit integers, weights and activations: SmoothQuant (https://arxiv.org/abs/2211.10438), then GPTQ, by llm-compressor."""

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
        from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier

        smooth = SmoothQuantModifier(smoothing_strength=job.recipe["smoothing"])
        groups = {"group_0": scheme}
        damping = job.recipe["damping"]
        return [smooth, GPTQModifier(config_groups=groups, ignore=kept, dampening_frac=damping, batched_quantization=None)]

    _llmcompressor.calibrated(job, report, lambda: _schemes.preset("W8A8"), steps)


def peak(source: Source, recipe: Recipe) -> int:
    return _llmcompressor.peak_gptq(source, recipe)


METHOD = Method(
    name="w8a8",
    title="8-bit weights and activations",
    library="llmcompressor",
    environment="llm-compressor",
    checkpoint="compressed-tensors",
    scheme="w8a8",
    bits=(8,),
    run=run,
    peak=peak,
    calibrated=True,
    scratch=_llmcompressor.scratch,
)
