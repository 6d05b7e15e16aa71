"""Limits by hand: Llama-3.1-8B, whose published numbers everybody knows."""

from __future__ import annotations

import pytest

from benchmarks.suite import roofline
from benchmarks.suite.shapes import shape

LLAMA = shape("Llama-3.1-8B")
WEIGHTS = 16_060_522_496  # bytes, bf16
EMBEDDING = 128256 * 4096 * 2


def test_one_sequence_reads_the_weights_and_its_cache() -> None:
    assert roofline.decode_bytes(LLAMA, WEIGHTS, 1, 1000) == WEIGHTS - EMBEDDING + 1000 * 131072


def test_a_tied_embedding_is_the_output_layer_and_is_read() -> None:
    tied = shape("Llama-3.2-1B")
    assert roofline.decode_bytes(tied, 2_471_628_800, 1, 0) == 2_471_628_800


def test_the_limit_grows_with_sequences_while_weights_are_most_of_it() -> None:
    one, eight = (roofline.decode_limit(LLAMA, WEIGHTS, n, 192, 4e12) for n in (1, 8))
    assert 7.8 < eight / one < 8.0


def test_decoding_at_4_tb_a_second() -> None:
    assert roofline.decode_limit(LLAMA, WEIGHTS, 1, 0, 4e12) == pytest.approx(4e12 / 15_009_849_344, rel=1e-6)


def test_a_prompt_takes_two_operations_a_weight_and_token() -> None:
    """6.98e9 weights in the layers; attention 4 x 32 x 32 x 128 x n^2 / 2."""
    expected = 2 * 6_979_321_856 * 1024 + 4 * 32 * 32 * 128 * 1024**2 / 2 + 2 * 128256 * 4096
    assert roofline.prefill_operations(LLAMA, 1024) == expected


def test_prefill_at_800_tflops() -> None:
    assert roofline.prefill_limit(LLAMA, 1024, 8e14) == pytest.approx(1024 * 8e14 / roofline.prefill_operations(LLAMA, 1024))
