"""What the weights leave: the reserve for activations and CUDA graphs, KV bytes a token, tokens, context and concurrency.

Block arithmetic is vLLM's own (0.32, `v1/core/kv_cache_utils.py`: `get_kv_cache_groups`, `get_max_concurrency_for_kv_cache_config`;
`v1/kv_cache_interface.py`: `max_memory_usage_bytes`). The reserve is our estimate of what vLLM measures by a trial run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from server.engine.planner.shape import Layer, Shape
from server.errors import UsageError
from server.nearest import did_you_mean

GIB = 2**30
MIB = 2**20
# Bytes a number (int4 and nvfp4 with their scales: a float32 a token and head, an fp8 for each 16).
KV_BYTES = {
    "float16": 2.0,
    "bfloat16": 2.0,
    "fp8": 1.0,
    "fp8_e4m3": 1.0,
    "fp8_e5m2": 1.0,
    "nvfp4": 0.5 + 1 / 16,
    "int8_per_token_head": 1.0,
    "fp8_per_token_head": 1.0,
    "int4_per_token_head": 0.5,
}
SCALED = ("int8_per_token_head", "fp8_per_token_head", "int4_per_token_head")
CONTEXT_OF_CUDA = GIB // 2  # NCCL, cuBLAS workspaces and the like, which vLLM counts as not torch's
GRAPHS_A_LAYER = 12 * MIB
BEFORE_AMPERE = ("t4", "v100")
LIBRARIES = 3 * GIB  # of an engine's processes without a GPU (measured; docs/plan.md)


@dataclass(frozen=True)
class Device:
    """Where a model is to run. `kv_memory` is a KV cache of a fixed size in bytes, 0 for what is left of `memory` x `share`.

    Defaults are vLLM's: `batched_tokens` and `sequences` by the size of the card (`EngineArgs.get_batch_defaults`).
    """

    name: str
    kind: str
    memory: int
    share: float = 0.92
    batched_tokens: int = 2048
    sequences: int = 256
    block: int = 16
    kv_memory: int = 0
    gpus: int = 1
    eager: bool = False
    fp8: bool = True  # whether it reads weights and KV caches in fp8 (server/engine/kvcache.py)

    @property
    def in_flight(self) -> int:
        """Tokens scheduled and not settled yet (`VllmConfig.max_in_flight_tokens`): two batches, as CUDA schedules ahead."""
        return self.batched_tokens * (2 if self.kind == "cuda" else 1)


def cuda(memory: int, name: str = "") -> Device:
    """A card with `memory` bytes, as vLLM's defaults treat it."""
    tokens, sequences = (2048, 256) if memory < 70 * GIB or name.startswith("a100") else (8192, 1024)
    tokens = 16384 if memory >= 160 * GIB else tokens
    return Device(name, "cuda", memory, batched_tokens=tokens, sequences=sequences, fp8=not name.startswith(BEFORE_AMPERE))


def cpu(memory: int, kv_memory: int, fp8: bool = True) -> Device:
    """This machine without a GPU: blocks of 128 tokens (`platforms/cpu.py`), a KV cache of a fixed size."""
    return Device("cpu", "cpu", memory, share=1.0, block=128, kv_memory=kv_memory, eager=True, fp8=fp8)


def kv_bytes(layer: Layer, dtype: str) -> float:
    """Bytes a token of `layer`. Raises UsageError for a type that is not planned."""
    if dtype not in KV_BYTES:
        raise UsageError(f"a KV cache of type {dtype} is not planned: {did_you_mean(dtype, KV_BYTES)}")
    scales = 2 * 4 * layer.heads if dtype in SCALED else 0
    return layer.elements * KV_BYTES[dtype] + scales


@dataclass(frozen=True)
class Pool:
    """How vLLM lays out the KV caches of all layers: one pool of blocks, of which each group of layers takes its own."""

    block_bytes: int
    groups: tuple[tuple[int, int], ...]  # window (0: whole context), tokens a block
    in_flight: int

    def blocks(self, tokens: int) -> int:
        """Blocks of one request of `tokens` tokens. A window may begin inside a block, hence one more."""
        needed = 0
        for window, block in self.groups:
            needed += ceil(min(window - 1 + self.in_flight, tokens) / block) + 1 if window else ceil(tokens / block)
        return needed

    def capacity(self, memory: int, tokens: int) -> tuple[int, float]:
        """Tokens and requests of `tokens` tokens that fit in `memory` bytes, as the engine logs them."""
        concurrency = (memory // self.block_bytes) / self.blocks(tokens)
        return int(concurrency * tokens), concurrency

    def longest(self, memory: int, limit: int) -> int:
        """The longest request that fits, up to `limit` tokens; 0 where none does. One block is vLLM's own (the null block)."""
        free = memory // self.block_bytes - 1
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.blocks(middle) <= free else (low, middle - 1)
        return low


def pool(layers: Sequence[Layer], dtype: str, device: Device) -> Pool:
    """The pool for `layers`. Layers of one kind share a group; of several kinds, groups have equally many layers."""
    pages = [split(layer, device.gpus) for layer in layers]
    block = 16 if device.kind == "cpu" and not all(layer.heads for layer in layers) else device.block  # MLA on a CPU: 16 only
    sizes = [ceil(kv_bytes(layer, dtype) * block) for layer in pages]
    if len({layer.window for layer in pages}) == 1:
        return Pool(sum(sizes), ((pages[0].window, block),), device.in_flight)
    page = max(sizes)
    buckets = Counter((layer.window, block * (page // size if page % size == 0 else 1)) for layer, size in zip(pages, sizes, strict=True))
    least, most = min(buckets.values()), max(buckets.values())
    many = most if most < 1.5 * least else least  # `_get_kv_cache_groups_uniform_page_size`
    groups = tuple(kind for kind, count in buckets.items() for _ in range(ceil(count / many)))
    return Pool(many * page, groups, device.in_flight)


def split(layer: Layer, gpus: int) -> Layer:
    """The part of one GPU under tensor parallelism: its KV heads, at least one; MLA's vector is kept whole on each."""
    if gpus == 1 or not layer.heads:
        return layer
    heads = max(1, layer.heads // gpus)
    return replace(layer, heads=heads, elements=layer.elements * heads // layer.heads)


def reserve(shape: Shape, device: Device) -> int:
    """Bytes of one GPU for activations, sampling, CUDA graphs and CUDA's libraries: an estimate.

    Activations of a full batch: the residual stream twice, queries, keys and values, and the MLP's input and output (for a mixture
    of experts, of each active expert). Sampling of a full batch: logits in 16 bit, in float32 and sorted with their places. The
    larger counts, since they follow each other in vLLM's trial run (`GPUModelRunner.profile_run`).
    """
    if device.kind == "cpu":
        return LIBRARIES
    attention = 2 * shape.hidden + sum(layer.elements for layer in shape.layers[:1])
    inner = 3 * shape.intermediate // device.gpus
    if shape.experts:
        inner = max(shape.active_experts, 1) * (shape.hidden + 3 * shape.expert_width // device.gpus)
    forward = device.batched_tokens * 2 * (2 * shape.hidden + max(attention, inner))
    sampling = device.sequences * shape.vocabulary * (2 + 4 + 4 + 4)
    graphs = 0 if device.eager else GRAPHS_A_LAYER * shape.depth
    return max(forward, sampling) + graphs + CONTEXT_OF_CUDA


def lora(shape: Shape, rank: int, adapters: int, gpus: int = 1) -> int:
    """Bytes for adapters: A and B in 16 bit for each linear layer, for as many of the largest rank as are held at a time.

    Source: LoRA, arXiv 2106.09685, section 4.1; vLLM allocates them at the start (`lora/layers`).
    """
    return 2 * adapters * rank * sum((linear.inputs + linear.outputs) * linear.count for linear in shape.linears) // gpus
