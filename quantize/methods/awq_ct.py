"""AWQ (https://arxiv.org/abs/2306.00978) by llm-compressor: 4-bit weights, rounded after scaling up the inputs that matter."""

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
        from llmcompressor.modifiers.quantization import QuantizationModifier

        return [scaling(), QuantizationModifier(config_groups={"group_0": scheme}, ignore=kept)]

    _llmcompressor.calibrated(job, report, lambda: _schemes.weights(job.recipe), steps)


def scaling() -> Any:
    """The library's step that scales, without the places where nothing that follows is quantized: there it divides by zero."""
    from llmcompressor.modifiers.transform.awq import AWQModifier

    class Scaling(AWQModifier):  # type: ignore[misc]  # the library has no types
        def _set_resolved_mappings(self, model: Any) -> None:
            super()._set_resolved_mappings(model)
            self._resolved_mappings[:] = [
                place for place in self._resolved_mappings if any(hasattr(layer, "quantization_scheme") for layer in place.balance_layers)
            ]

    return Scaling()


def peak(source: Source, recipe: Recipe) -> int:
    return _llmcompressor.peak_awq(source, recipe)


METHOD = Method(
    name="awq-ct",
    title="4-bit weights, AWQ",
    library="llmcompressor",
    environment="llm-compressor",
    checkpoint="compressed-tensors",
    scheme="wna16",
    bits=(4,),
    run=run,
    peak=peak,
    grouped=True,
    calibrated=True,
    defaults={"symmetric": False},
    scratch=_llmcompressor.scratch,
)
