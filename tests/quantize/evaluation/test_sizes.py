"""One decoder layer of 256 x 512 weights, as each format lays it down, by the headers alone."""

import json
import math
import struct

import pytest

from quantize.evaluation import sizes

BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I64": 8, "I8": 1, "U8": 1, "F8_E4M3": 1}
LAYER = "model.layers.0.mlp.down_proj"
WEIGHTS = 256 * 512


def write(folder, tensors, quantization=None):
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    config = {"architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantization} if quantization else config))
    return end


BITS_4 = {"config_groups": {"group_0": {"weights": {"num_bits": 4}}}, "quant_method": "compressed-tensors"}
BITS_8 = {"config_groups": {"group_0": {"weights": {"num_bits": 8}}}, "quant_method": "compressed-tensors"}
FORMATS = {
    "bfloat16": ({"weight": ("BF16", (256, 512))}, None),
    "gptq": (
        {"qweight": ("I32", (64, 256)), "qzeros": ("I32", (4, 32)), "scales": ("F16", (4, 256)), "g_idx": ("I32", (512,))},
        {"quant_method": "gptq", "bits": 4},
    ),
    "gptq of 8 bits": ({"qweight": ("I32", (128, 256)), "scales": ("F16", (4, 256))}, {"quant_method": "gptq", "bits": 8}),
    "awq": (
        {"qweight": ("I32", (512, 32)), "qzeros": ("I32", (4, 32)), "scales": ("BF16", (4, 256))},
        {"quant_method": "awq", "bits": 4},
    ),
    "bitsandbytes int8": (
        {"weight": ("I8", (256, 512)), "SCB": ("F32", (256,)), "weight_format": ("U8", ())},
        {"quant_method": "bitsandbytes", "load_in_8bit": True},
    ),
    "bitsandbytes nf4": (
        {
            "weight": ("U8", (65536, 1)),
            "weight.absmax": ("F32", (2048,)),
            "weight.quant_map": ("F32", (16,)),
            "weight.quant_state.bitsandbytes__nf4": ("U8", (80,)),
        },
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
    ),
    "torchao int8": (
        {"_weight_qdata": ("I8", (256, 512)), "_weight_scale": ("F32", (256, 1)), "_weight_zero_point": ("I8", (256, 1))},
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}},
    ),
    "compressed-tensors 4 bits": (
        {"weight_packed": ("I32", (256, 64)), "weight_scale": ("BF16", (256, 4)), "weight_shape": ("I64", (2,))},
        BITS_4,
    ),
    "compressed-tensors int8": ({"weight": ("I8", (256, 512)), "weight_scale": ("BF16", (256, 1))}, BITS_8),
    "compressed-tensors fp8": ({"weight": ("F8_E4M3", (256, 512)), "weight_scale": ("BF16", (256, 1))}, BITS_8),
}


@pytest.mark.parametrize("name", FORMATS)
def test_linear_bytes_with_all_that_the_format_keeps_for_them(tmp_path, name):
    layer, quantization = FORMATS[name]
    stored = sum(math.prod(shape) * BYTES[dtype] for dtype, shape in layer.values())
    everything = {f"{LAYER}.{key}": value for key, value in layer.items()} | {
        f"{LAYER}.bias": ("BF16", (256,)),
        "model.layers.0.input_layernorm.weight": ("BF16", (256,)),
        "model.embed_tokens.weight": ("BF16", (2048, 256)),
        "lm_head.weight": ("BF16", (2048, 256)),
    }
    tensors = write(tmp_path, everything, quantization)
    found = sizes.measure(tmp_path)
    assert found.linear_bf16 == 2 * WEIGHTS
    assert found.linear == stored
    assert found.tensors == tensors
    assert found.disk == (tmp_path / "model.safetensors").stat().st_size


def test_four_bits_are_little_more_than_a_quarter_of_bf16(tmp_path):
    layer, quantization = FORMATS["gptq"]
    write(tmp_path, {f"{LAYER}.{key}": value for key, value in layer.items()}, quantization)
    assert 0.25 < sizes.measure(tmp_path).linear_share < 0.29


def test_a_layer_that_was_left_out_counts_as_it_is(tmp_path):
    layer, quantization = FORMATS["awq"]
    tensors = {f"{LAYER}.{key}": value for key, value in layer.items()}
    write(tmp_path, {**tensors, "model.layers.0.mlp.up_proj.weight": ("BF16", (512, 256))}, quantization)
    found = sizes.measure(tmp_path)
    assert found.linear_bf16 == 4 * WEIGHTS
    assert found.linear > 2 * WEIGHTS


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [({}, 0), ({"quant_method": "gptq", "bits": 8}, 8), ({"load_in_4bit": True}, 4), (BITS_8, 8), ({"quant_method": "fp8"}, 0)],
)
def test_bits_as_the_config_says_them(quantization, bits):
    assert sizes.weight_bits(quantization) == bits
