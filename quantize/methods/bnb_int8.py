"""LLM.int8(): 8-bit rows with a scale each, outlier activations kept apart (https://arxiv.org/abs/2208.07339), by bitsandbytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _streamed
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    _streamed.run(job, report, _streamed.Library(config, lambda tensors: (tensors, {}), tensors=3))


def config(kept: list[str] | None) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)


def peak(source: Source, recipe: Recipe) -> int:
    return _streamed.peak(source, 5)


METHOD = Method(
    name="bnb-int8",
    title="8-bit weights, LLM.int8()",
    library="bitsandbytes",
    environment="engine",
    checkpoint="bitsandbytes",
    scheme="bnb",
    bits=(8,),
    run=run,
    peak=peak,
)
