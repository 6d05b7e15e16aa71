"""GPTQ: weights quantized one column after the other, each error made good by the columns that follow
(https://arxiv.org/abs/2210.17323), by GPTQModel; the format that AutoGPTQ began.

Three things are added to the paper's recipe, each measured on the demo model against plain rounding (mean absolute logprob
difference, held-out chats): the scale of a group is the one with the least error and not the one that holds the largest weight
(.67 of rounding's -> .63), the error that earlier layers have left in the inputs is made good as well (GPTAQ,
https://arxiv.org/abs/2504.02692: -> .60), and columns go by falling activation within groups that stay as they are (-> .57),
so that every engine can serve them: with moving groups (`desc_act` in other tools) vLLM refuses the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _gptqmodel
from quantize.methods._gptqmodel import LIBRARIES
from quantize.methods._sizes import MIB, ends, largest_layer, tokens
from quantize.methods.method import Method

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Source

ERROR_NORM = 2.4  # of a scale's error, as in GPTQModel's own tests; 2.0 and 3.0 came out alike
EARLIER_ERROR = 0.5  # share of the earlier layers' error that is made good; 0.25 to 1.0 came out alike


def run(job: Job, report: Report) -> None:
    choices: dict[str, Any] = {"damp_percent": job.recipe["damping"], "mse": ERROR_NORM}
    if job.recipe["desc_act"]:
        choices |= {"desc_act": True, "static_groups": True}
    if not _gptqmodel.has_experts(job.source):  # an expert sees other tokens once the layers before it are quantized
        choices["gptaq"] = {"alpha": EARLIER_ERROR}
    _gptqmodel.run(job, report, choices, "GPTQ_TORCH")


def peak(source: Source, recipe: Recipe) -> int:
    """Bytes: the libraries, two matrices of inputs x inputs in float32 for each weight of a layer (what GPTQ and GPTAQ sum up), five
    and a half more of the widest while it is quantized, and for each token what comes into the layer, as it was and as it is now.

    Measured: 689 MiB for the demo model and 1,000 tokens, 850 MiB for the bundled samples (34,000); 1,424 and 1,707 MiB for layers
    of 896 x 4864 and 1,900 and 17,000 tokens.
    """
    squares = [4 * linear.inputs**2 for linear in largest_layer(source)]
    work = 2 * sum(squares) + int(5.5 * max(squares))
    each = 20 * source.hidden_size + max(linear.inputs for linear in largest_layer(source)) // 2
    return LIBRARIES * MIB + max(work, ends(source)) + each * tokens(recipe)


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
    defaults={"damping": 0.01},
    scratch=lambda source, recipe: _gptqmodel.scratch(source),
)
