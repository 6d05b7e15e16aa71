"""Bytes by format. The figures of the demo model are those of the checkpoints that `sllm quantize` made of it."""

import pytest

from server.engine.planner import formats, source
from server.engine.planner.shape import shape
from server.settings import DEMO_MODEL, ROOT
from tests.server.engine.planner.models import LLAMA31_8B, config, llama, tensor

MADE = {
    "bf16": 5_771_776,
    "gptq 4-bit": 2_311_680,
    "awq 4-bit": 2_278_912,
    "fp8": 3_428_864,
    "bnb int8": 3_445_276,
    "bnb nf4": 2_384_320,
}


@pytest.mark.parametrize("name", MADE)
def test_the_demo_model_in_each_format_to_the_byte(name: str):
    demo = source.of_folder(ROOT / DEMO_MODEL)
    assert formats.weights(demo)[name] == MADE[name]


def test_llama_31_8b_in_16_bit_and_in_4():
    found = formats.weights(shape(LLAMA31_8B, llama(LLAMA31_8B)))
    assert found["bf16"] == 16_060_522_496  # the total_size of its index
    assert found["awq 4-bit"] == pytest.approx(5.73e9, rel=0.01)  # the published AWQ checkpoints' size


def test_a_quantized_checkpoint_is_taken_as_it_is():
    made = config(1, 4, 2, 64, 256, quantization_config={"quant_method": "awq", "bits": 4})
    found = shape(made, [tensor("model.layers.0.mlp.up_proj.qweight", 256, 32, dtype="I32")])
    assert formats.weights(found) == {"as it is": 4 * 256 * 32}


def test_weights_that_are_no_floats_are_taken_as_they_are():
    found = shape(config(1, 4, 2, 64, 256), [tensor("model.layers.0.mlp.up_proj.blocks", 256, 32, dtype="U8")])
    assert formats.weights(found) == {"as it is": 256 * 32}


def test_a_float32_checkpoint_is_served_in_16_bit_unless_told_otherwise():
    made = config(1, 4, 2, 64, 256, dtype="float32")
    found = shape(made, llama(made, dtype="F32"))
    assert formats.weights(found)["bf16"] == found.weights / 2
    assert formats.weights(found, "float32")["fp32"] == found.weights
    assert (formats.served(found), formats.served(found, "float32")) == ("bf16", "fp32")
