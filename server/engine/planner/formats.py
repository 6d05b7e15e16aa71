"""Bytes of a model's weights in each format. Linear layers of the decoder are made small; embeddings, lm_head, norms, routers
and other towers stay 16 bit, as GPTQModel, AutoAWQ, llm-compressor and bitsandbytes leave them by default.

Sources: GPTQ and AWQ tensors as GPTQModel writes them (qweight, qzeros, scales, g_idx); FP8 with a scale an output channel,
compressed-tensors' `float-quantized`; nf4 with a float32 for each 64 numbers, QLoRA (arXiv 2305.14314, section 3); int8 with a
float32 a row, LLM.int8 (arXiv 2208.07339).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from server.engine.planner.shape import Linear, Shape

GROUP = 128
NF4_BLOCK = 64
NF4_TABLE = 64 + 80  # the sixteen values in float32, and a few words of JSON, which bitsandbytes keeps beside each matrix
AS_IS = "as it is"


@dataclass(frozen=True)
class Format:
    """`linear` gives the bytes of one linear layer; `method` is what `sllm quantize --method` calls it, "" for none."""

    name: str
    linear: Callable[[Linear], float]
    method: str = ""


def gptq(linear: Linear) -> float:
    return linear.count * (_grouped(linear) + 4 * linear.inputs)  # g_idx: an int32 for each input


def awq(linear: Linear) -> float:
    return linear.count * _grouped(linear)


def _grouped(linear: Linear) -> float:
    """Four bits a weight; for each group of inputs and each output a 4-bit zero and a 16-bit scale."""
    groups = ceil(linear.inputs / GROUP)
    return linear.outputs * (linear.inputs / 2 + groups / 2 + 2 * groups)


def nf4(linear: Linear) -> float:
    return linear.elements / 2 + 4 * ceil(linear.elements / NF4_BLOCK) + NF4_TABLE * linear.count


FORMATS = (
    Format("bf16", lambda linear: 2 * linear.elements),
    Format("fp8", lambda linear: linear.elements + 2 * linear.outputs * linear.count, "fp8"),
    Format("bnb int8", lambda linear: linear.elements + linear.count * (4 * linear.outputs + 1), "bnb-int8"),
    Format("gptq 4-bit", gptq, "gptq"),
    Format("awq 4-bit", awq, "awq"),
    Format("bnb nf4", nf4, "bnb-nf4"),
)
FOUR_BIT = ("awq 4-bit", "gptq 4-bit", "bnb nf4")


def weights(shape: Shape, dtype: str = "auto") -> dict[str, int]:
    """Bytes of the weights by format's name. A quantized checkpoint has one: as it is."""
    if shape.quantization:
        return {AS_IS: shape.weights}
    found = {format.name: 2 * shape.plain + ceil(sum(map(format.linear, shape.linears))) for format in FORMATS}
    if _wide(shape, dtype):
        return {"fp32": 4 * shape.elements, **found}
    return found


def served(shape: Shape, dtype: str = "auto") -> str:
    """The name of the format that the checkpoint is served in. vLLM serves float32 checkpoints in 16 bit unless told otherwise."""
    if shape.quantization:
        return AS_IS
    return "fp32" if _wide(shape, dtype) else "bf16"


def _wide(shape: Shape, dtype: str) -> bool:
    return dtype in ("float32", "float")


def exact(shape: Shape) -> bool:
    """Whether the checkpoint's bytes are those that are loaded: quantized, or stored in 16 bit."""
    return bool(shape.quantization) or shape.weights == 2 * shape.elements
