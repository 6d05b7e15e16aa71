"""One GPU for several engines: each gets its weights and some room, and chat models divide the rest for their KV caches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from server.engine.checkpoint import Task
from server.errors import StartError

GIB = 2**30
WHOLE = 0.92  # of the GPU; vLLM's own default on large GPUs
EMBEDDING = 0.08  # for an embedding engine where the GPU's size is not known
ROOM = GIB  # CUDA's context and activations
OVER_WEIGHTS = 1.1  # what loading leaves behind


@dataclass(frozen=True)
class Need:
    """`weights` is bytes on one GPU."""

    task: Task
    weights: int


def gpu_shares(needs: Mapping[str, Need], gpu_memory: int) -> dict[str, float | None]:
    """Each engine's --gpu-memory-utilization by name; `gpu_memory` in bytes, 0 for unknown.

    A single engine gets None, which is vLLM's own default. Raises StartError where the weights alone do not fit.
    """
    if len(needs) == 1:
        return dict.fromkeys(needs)
    if not gpu_memory:
        return _unknown(needs)
    least = {name: OVER_WEIGHTS * need.weights + ROOM for name, need in needs.items()}
    left = WHOLE * gpu_memory - sum(least.values())
    if left < 0:
        raise StartError(
            f"the models need {sum(least.values()) / GIB:.1f} GiB and the GPU has {WHOLE * gpu_memory / GIB:.1f} GiB for them: "
            "serve fewer, smaller or quantized ones"
        )
    growing = [name for name, need in needs.items() if need.task == "generate"] or list(needs)
    return {name: _down((least[name] + (left / len(growing) if name in growing else 0)) / gpu_memory) for name in needs}


def _unknown(needs: Mapping[str, Need]) -> dict[str, float | None]:
    small = [name for name, need in needs.items() if need.task != "generate"]
    large = len(needs) - len(small)
    if not large:
        return dict.fromkeys(needs, _down(WHOLE / len(small)))
    return {name: EMBEDDING if name in small else _down((WHOLE - EMBEDDING * len(small)) / large) for name in needs}


def _down(share: float) -> float:
    return math.floor(share * 1000) / 1000
