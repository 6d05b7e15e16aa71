"""NF4: 4-bit weights on a grid for normally distributed values, blocks of 64 (https://arxiv.org/abs/2305.14314), by bitsandbytes.

With double_quant the blocks' scales are 8-bit as well.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _streamed
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    ask = partial(config, double=job.recipe["double_quant"])
    _streamed.run(job, report, _streamed.Library(ask, lambda tensors: (tensors, {}), tensors=6 if job.recipe["double_quant"] else 4))


def config(kept: list[str] | None, double: bool) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=double,
        llm_int8_skip_modules=kept,
    )


def peak(source: Source, recipe: Recipe) -> int:
    return _streamed.peak(source, 5)


METHOD = Method(
    name="bnb-nf4",
    title="4-bit NormalFloat weights",
    library="bitsandbytes",
    environment="engine",
    checkpoint="bitsandbytes",
    scheme="bnb",
    bits=(4,),
    run=run,
    peak=peak,
)
