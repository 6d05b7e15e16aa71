"""Tokens and concurrency. Figures of the CPU engine are from its own log (vLLM 0.32)."""

from dataclasses import replace

import pytest

from server.engine.planner import memory, source
from server.engine.planner.memory import GIB
from server.engine.planner.shape import Layer, shape
from server.errors import UsageError
from server.settings import DEMO_MODEL, ROOT
from tests.server.engine.planner import models

CPU = memory.cpu(16 * GIB, GIB)


def demo(*folders: str) -> tuple[Layer, ...]:
    return tuple(layer for folder in (DEMO_MODEL, *folders) for layer in source.of_folder(ROOT / folder).layers)


@pytest.mark.parametrize(
    ("layers", "kv_memory", "tokens", "concurrency"),
    [
        (demo(), GIB, 524_288, 256.00),
        (demo(), 64 * 2**20, 32_768, 16.00),
        (demo("models/demo/draft"), GIB, 349_440, 170.62),
        (demo()[:2], GIB, 1_048_576, 512.00),
    ],
    ids=["demo", "demo, 64 MiB", "demo with its draft", "the draft alone"],
)
def test_tokens_and_concurrency_are_the_engines_own(layers: tuple[Layer, ...], kv_memory: int, tokens: int, concurrency: float):
    found = memory.pool(layers, "bfloat16", CPU).capacity(kv_memory, 2048)
    assert found == (tokens, pytest.approx(concurrency, abs=0.006))


def test_an_fp8_cache_holds_twice_as_much():
    layers = shape(models.LLAMA31_8B, []).layers
    card = memory.cuda(80 * GIB)
    assert memory.pool(layers, "fp8", card).capacity(GIB, 4096)[0] == 2 * memory.pool(layers, "bfloat16", card).capacity(GIB, 4096)[0]


def test_layers_with_a_window_stop_at_it():
    """gpt-oss-20b: 12 layers over all, 12 of 128 tokens. One group each: 131,072 / 16 blocks, and the window with what is in flight."""
    pool = memory.pool(shape(models.GPT_OSS_20B, []).layers, "bfloat16", memory.cuda(80 * GIB))
    assert pool.block_bytes == 12 * 16 * 2 * 8 * 64 * 2
    assert sorted(pool.groups) == [(0, 16), (128, 16)]
    assert pool.blocks(131072) == 8192 + (128 - 1 + 2 * 8192 + 15) // 16 + 1


def test_a_model_of_windows_alone_needs_no_more_for_longer_contexts():
    pool = memory.pool(shape(models.MISTRAL_7B, []).layers, "bfloat16", memory.cuda(24 * GIB))
    assert pool.blocks(32768) == pool.blocks(16384) < 32768 // 16


def test_groups_have_equally_many_layers():
    """Gemma 3's 5 to 1 over 26 layers: 4 over all, 22 with a window, so groups of 4: 1 + 6."""
    layers = shape(models.config(26, 4, 1, 256, 1152, model_type="gemma3_text", sliding_window=512), []).layers
    pool = memory.pool(layers, "bfloat16", memory.cuda(24 * GIB))
    assert [window for window, _ in pool.groups].count(512) == 6
    assert pool.block_bytes == 4 * 16 * 2 * 256 * 2


def test_the_longest_context_keeps_one_block_for_the_engine():
    pool = memory.pool(shape(models.LLAMA31_8B, []).layers, "bfloat16", memory.cuda(24 * GIB))
    assert pool.longest(100 * pool.block_bytes, 10**6) == 99 * 16
    assert pool.longest(100 * pool.block_bytes, 1000) == 1000


def test_tensor_parallelism_divides_heads_and_keeps_mlas_vector():
    two = replace(memory.cuda(80 * GIB), gpus=2)
    assert memory.pool(shape(models.LLAMA31_8B, []).layers, "bfloat16", two).block_bytes == 131_072 * 16 // 2
    assert memory.pool(shape(models.DEEPSEEK_V2_LITE, []).layers, "bfloat16", two).block_bytes == 27 * 576 * 2 * 16


def test_batches_by_the_size_of_the_card():
    cards = [memory.cuda(size * GIB) for size in (24, 80, 180)]
    assert [(card.batched_tokens, card.sequences) for card in cards] == [(2048, 256), (8192, 1024), (16384, 1024)]
    assert memory.cuda(80 * GIB, "a100-80gb").batched_tokens == 2048


def test_adapters_take_two_thin_matrices_for_each_layer():
    made = models.config(1, 4, 2, 64, 256)
    found = shape(made, [models.tensor("model.layers.0.mlp.up_proj.weight", 1024, 256)])
    assert memory.lora(found, rank=16, adapters=2) == 2 * 2 * 16 * (1024 + 256)


def test_a_type_of_kv_cache_that_is_not_planned_is_named():
    with pytest.raises(UsageError, match="turboquant_k8v4 is not planned"):
        memory.kv_bytes(Layer(256), "turboquant_k8v4")


def test_windows_beside_whole_contexts_as_the_cpu_engine_logs_them():
    """Gemma 3's pattern over seven layers, 256 MiB: logged as 377,016 tokens, 46.02x of 8,192."""
    made = models.config(7, 4, 1, 64, 256, model_type="gemma3_text", sliding_window=256, max_position_embeddings=8192)
    pool = memory.pool(shape(made, []).layers, "bfloat16", CPU)
    assert pool.capacity(256 * 2**20, 8192) == (377_016, pytest.approx(46.02, abs=0.005))
