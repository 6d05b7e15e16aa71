"""AWQ: weights scaled up where activations are large before they are rounded (https://arxiv.org/abs/2306.00978), by GPTQModel;
the format that AutoAWQ began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.job import Job, Report
from quantize.methods import _gptqmodel
from quantize.methods._gptqmodel import LIBRARIES
from quantize.methods._sizes import MIB, ends, largest_layer, tokens
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source


def run(job: Job, report: Report) -> None:
    _gptqmodel.run(job, report, {"method": "awq", "format": "gemm"}, "AWQ_TORCH")


def peak(source: Source, recipe: Recipe) -> int:
    """Bytes: the libraries, six and a half times a layer, and for each token what goes into each of its parts and comes out of them.

    Measured: 689 MiB for the demo model and 1,000 tokens, 778 MiB for the bundled samples (34,000); 893 and 1,158 MiB for layers of
    896 x 4864 and 1,900 and 17,000 tokens.
    """
    layer = largest_layer(source)
    work = int(6.5 * sum(linear.bytes for linear in layer))
    each = 6 * source.hidden_size + 3 * max(linear.inputs for linear in layer)
    return LIBRARIES * MIB + max(work, ends(source)) + each * tokens(recipe)


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
    scratch=lambda source, recipe: _gptqmodel.scratch(source),
)
