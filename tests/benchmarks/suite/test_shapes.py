"""Shapes against what their publishers say."""

from __future__ import annotations

import json

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.provenance import ROOT
from benchmarks.suite.shapes import SHAPES, shape

# Billions, as the model cards round them.
PUBLISHED = {"Qwen2.5-0.5B": 0.49, "Qwen2.5-1.5B": 1.54, "Llama-3.2-1B": 1.24, "Qwen3-8B": 8.19, "Llama-3.1-8B": 8.03}
# Bytes of the KV cache a token, bf16, from the models' published layers, KV heads and head sizes.
KV_BYTES = {"Qwen2.5-0.5B": 12288, "Qwen2.5-1.5B": 28672, "Llama-3.2-1B": 32768, "Qwen3-8B": 147456, "Llama-3.1-8B": 131072}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_are_published(name: str) -> None:
    assert round(shape(name).parameters() / 1e9, 2) == PUBLISHED[name]


@pytest.mark.parametrize("name", KV_BYTES)
def test_bytes_of_the_kv_cache_a_token(name: str) -> None:
    assert shape(name).kv_bytes() == KV_BYTES[name]


def test_the_demo_shape_is_the_demo_model() -> None:
    real = json.loads((ROOT / "models/demo/config.json").read_text())
    made = shape("demo").config()
    assert {key: value for key, value in real.items() if key in made and made[key] != value} == {}


def test_an_unknown_shape_names_the_known_ones() -> None:
    with pytest.raises(BenchUsageError, match=r"no shape is called 'GPT-5': take one of Qwen2.5-0.5B, "):
        shape("GPT-5")


@pytest.mark.parametrize("found", SHAPES.values(), ids=SHAPES)
def test_every_width_suits_every_formats_kernels(found) -> None:
    """Groups of 128 inputs; Marlin's tiles: outputs in 64s."""
    assert [size for size in found.linears().values() if size[0] % 64 or size[1] % 128] == []
