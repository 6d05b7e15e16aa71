"""Which tensors a checkpoint of a shape holds, by format: names, types and sizes, as the libraries named here write them.

gptq, awq: GPTQModel 7.6 (4 bits, groups of 128 inputs; eight values in an int32). bnb-nf4, bnb-int8: bitsandbytes 0.50 through
transformers. fp8: llm-compressor's FP8 (compressed-tensors): a scale for each output, activations scaled as they come.
Embeddings, output layer and norms stay 16 bit in all of them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from benchmarks.suite.shapes import Shape

Format = Literal["bf16", "fp8", "gptq", "awq", "bnb-nf4", "bnb-int8"]
FORMATS: tuple[Format, ...] = ("bf16", "fp8", "gptq", "awq", "bnb-nf4", "bnb-int8")
GROUP = 128  # inputs that share a scale
BLOCK = 64  # elements that share an absmax, bitsandbytes' default
PACKED = 8  # 4-bit values in an int32
BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1}

# The levels of NF4 (QLoRA, Dettmers et al. 2023, appendix E), as bitsandbytes has them.
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)

# What fills a tensor: "random" bits; "small" numbers near zero; "groups" the group of each input (g_idx); else the bytes themselves.
Content = Literal["random", "small", "positive", "groups"] | bytes


@dataclass(frozen=True)
class Tensor:
    name: str
    dtype: str  # as safetensors spells it
    size: tuple[int, ...]
    content: Content = "small"

    @property
    def nbytes(self) -> int:
        return prod(self.size) * BYTES[self.dtype]


def tensors(shape: Shape, format: Format) -> Iterator[Tensor]:
    """All tensors of the checkpoint, in the order in which they are written."""
    yield Tensor("model.embed_tokens.weight", "BF16", (shape.vocabulary, shape.hidden))
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        for name, (outputs, inputs) in shape.linears().items():
            yield from linear(prefix + name, outputs, inputs, format)
            if shape.biases and name.endswith(("q_proj", "k_proj", "v_proj")):
                yield Tensor(f"{prefix}{name}.bias", "BF16", (outputs,))
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield Tensor(f"{prefix}{norm}.weight", "BF16", (shape.hidden,), "positive")
        if shape.qk_norms:
            for norm in ("q_norm", "k_norm"):
                yield Tensor(f"{prefix}self_attn.{norm}.weight", "BF16", (shape.head_dim,), "positive")
    yield Tensor("model.norm.weight", "BF16", (shape.hidden,), "positive")
    if not shape.tied:
        yield Tensor("lm_head.weight", "BF16", (shape.vocabulary, shape.hidden))


def linear(name: str, outputs: int, inputs: int, format: Format) -> Iterator[Tensor]:
    """The tensors of one linear layer of `outputs` x `inputs`."""
    groups = -(-inputs // GROUP)
    if format == "gptq":
        yield Tensor(f"{name}.qweight", "I32", (inputs // PACKED, outputs), "random")
        yield Tensor(f"{name}.qzeros", "I32", (groups, outputs // PACKED), b"\x77")  # symmetric: 8, kept less one
        yield Tensor(f"{name}.scales", "F16", (groups, outputs), "positive")
        yield Tensor(f"{name}.g_idx", "I32", (inputs,), "groups")
    elif format == "awq":
        yield Tensor(f"{name}.qweight", "I32", (inputs, outputs // PACKED), "random")
        yield Tensor(f"{name}.qzeros", "I32", (groups, outputs // PACKED), "random")
        yield Tensor(f"{name}.scales", "BF16", (groups, outputs), "positive")
    elif format == "bnb-nf4":
        yield Tensor(f"{name}.weight", "U8", (outputs * inputs // 2, 1), "random")
        yield Tensor(f"{name}.weight.absmax", "F32", (-(-outputs * inputs // BLOCK),), "positive")
        yield Tensor(f"{name}.weight.quant_map", "F32", (16,), nf4_map())
        state = nf4_state(outputs, inputs)
        yield Tensor(f"{name}.weight.quant_state.bitsandbytes__nf4", "U8", (len(state),), state)
    elif format == "bnb-int8":
        yield Tensor(f"{name}.weight", "I8", (outputs, inputs), "random")
        yield Tensor(f"{name}.SCB", "F32", (outputs,), "positive")
        yield Tensor(f"{name}.weight_format", "U8", (), b"\x00")  # row by row
    elif format == "fp8":
        yield Tensor(f"{name}.weight", "F8_E4M3", (outputs, inputs))
        yield Tensor(f"{name}.weight_scale", "BF16", (outputs, 1), "positive")
    else:
        yield Tensor(f"{name}.weight", "BF16", (outputs, inputs))


def nf4_map() -> bytes:
    """The levels as bitsandbytes keeps them beside each weight: float32."""
    return struct.pack("<16f", *NF4)


def nf4_state(outputs: int, inputs: int) -> bytes:
    """What bitsandbytes wants to know of a packed weight: JSON in a uint8 tensor."""
    return json.dumps({"quant_type": "nf4", "blocksize": BLOCK, "dtype": "bfloat16", "shape": [outputs, inputs]}).encode()


def quantization(format: Format) -> dict[str, Any] | None:
    """`quantization_config` of config.json; None for a plain checkpoint."""
    eight = {"num_bits": 8, "type": "float", "symmetric": True, "group_size": None, "actorder": None, "block_structure": None}
    if format == "fp8":
        weights = eight | {"strategy": "channel", "dynamic": False, "observer": "minmax"}
        activations = eight | {"strategy": "token", "dynamic": True, "observer": None}
        group = {"targets": ["Linear"], "weights": weights, "input_activations": activations, "output_activations": None}
        return {
            "quant_method": "compressed-tensors",
            "format": "float-quantized",
            "quantization_status": "compressed",
            "config_groups": {"group_0": group},
            "ignore": ["lm_head"],
            "kv_cache_scheme": None,
        }
    packed = {"bits": 4, "group_size": GROUP, "desc_act": False, "lm_head": False}
    if format == "gptq":
        return {"quant_method": "gptq", "checkpoint_format": "gptq", "sym": True, **packed}
    if format == "awq":
        return {"quant_method": "awq", "version": "gemm", "zero_point": True, **packed}
    if format == "bnb-nf4":
        return {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "load_in_8bit": False,
            "bnb_4bit_compute_dtype": "bfloat16",
            "bnb_4bit_quant_storage": "uint8",
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": False,
        }
    if format == "bnb-int8":
        return {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True, "llm_int8_threshold": 6.0}
    return None
