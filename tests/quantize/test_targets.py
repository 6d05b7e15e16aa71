"""The table of kernels, held against vLLM's own source where it is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from quantize.source import Linear
from quantize.targets import KERNELS, MARLIN_GROUPS, SCHEMES, built, halves, kernel

VLLM = find_spec("vllm")


def linear(name: str, outputs: int = 64, inputs: int = 64) -> Linear:
    return Linear(name, outputs, inputs, 0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_both_targets(scheme: str):
    assert (scheme, "cpu") in KERNELS
    assert (scheme, "cuda") in KERNELS


@pytest.mark.parametrize("scheme", ["gptq", "awq", "wna16"])
def test_the_cpu_serves_four_bits_only(scheme: str):
    assert kernel(scheme, "cpu", 4, None)
    assert kernel(scheme, "cpu", 8, None) is None


def test_eight_bits_on_a_gpu_are_symmetric():
    assert kernel("gptq", "cuda", 8, True)
    assert kernel("wna16", "cuda", 8, True)
    assert kernel("wna16", "cuda", 8, False) is None


def test_gptq_is_symmetric_and_awq_is_not():
    assert kernel("gptq", "cpu", 4, False) is None
    assert kernel("awq", "cpu", 4, True) is None


def test_layers_that_vllm_joins_are_counted_as_one():
    parts = [
        linear("a.q_proj", 64),
        linear("a.k_proj", 16),
        linear("a.v_proj", 16),
        linear("a.o_proj"),
        linear("m.up_proj"),
        linear("m.gate_proj"),
    ]
    assert built(parts) == [
        ("a.q_proj with k_proj with v_proj", 64, 96),
        ("a.o_proj", 64, 64),
        ("m.gate_proj with up_proj", 64, 128),
    ]


def test_half_of_a_joined_layer_is_found():
    assert halves(["a.k_proj"], ["a.q_proj", "a.v_proj", "a.o_proj"]) == ("a.k_proj", ["a.q_proj", "a.v_proj"])
    assert halves(["a.o_proj"], ["a.q_proj", "a.k_proj", "a.v_proj"]) is None


def vllm(path: str) -> str:
    assert VLLM is not None
    assert VLLM.submodule_search_locations is not None
    return (Path(VLLM.submodule_search_locations[0]) / "model_executor" / path).read_text()


@pytest.mark.skipif(VLLM is None, reason="vLLM is not installed")
def test_marlins_group_sizes_are_those_of_the_installed_vllm():
    found = re.search(r"MARLIN_SUPPORTED_GROUP_SIZES = \[(.*)\]", vllm("layers/quantization/utils/marlin_utils.py"))
    assert found
    assert tuple(int(each) for each in found[1].split(",")) == MARLIN_GROUPS


@pytest.mark.skipif(VLLM is None, reason="vLLM is not installed")
def test_the_cpu_kernels_shapes_are_those_of_the_installed_vllm():
    source = vllm("kernels/linear/mixed_precision/cpu.py")
    multiples = {int(n) for n in re.findall(r"partition_weight_shape\[[01]\] % (\d+)", source)}
    found = kernel("wna16", "cpu", 4, None)
    assert found
    assert multiples == {found.inputs} == {found.outputs}
    assert re.search(r"group_size % 2 != 0", source)


@pytest.mark.skipif(VLLM is None, reason="vLLM is not installed")
def test_the_installed_vllm_refuses_activation_order_with_groups():
    assert "desc_act=True" in vllm("layers/quantization/utils/gptq_utils.py")
