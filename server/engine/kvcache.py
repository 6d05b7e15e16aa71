"""Whether this engine and machine can keep the KV cache in the type that the configuration asks for.

From vLLM's attention backends (0.32, `supported_kv_cache_dtypes` and `supports_kv_cache_dtype`): the CPU's reads fp8 with
AVX-512 or AMX and head sizes that 32 divides; on a GPU, fp8 and the packed types need FlashInfer or Triton's kernels on compute
capability 8.0 and newer. vLLM's CPU build starts with types that its attention does not know, so it has to be asked here.
"""

from __future__ import annotations

from server.engine.checkpoint import Checkpoint
from server.engine.machine import Machine
from server.errors import StartError
from server.settings import Model

FP8 = ("fp8", "fp8_e4m3", "fp8_e5m2")
AS_THE_MODEL = ("auto", "bfloat16")  # what a CPU engine computes in
OLDEST_GPU = 8.0  # compute capability of Ampere
WIDE = frozenset({"avx512f", "amx_tile"})


def check(model: Model, machine: Machine, checkpoint: Checkpoint | None = None) -> None:
    """Raises StartError with the reason where `model.kv_cache_dtype` cannot work; shapes are looked at where `checkpoint` is known."""
    wanted = model.kv_cache_dtype
    if wanted == "auto":
        return
    reason = (_on_cpu if machine.kind == "cpu" else _on_gpu)(wanted, machine, checkpoint)
    if reason:
        raise StartError(f"model '{model.name}': `kv_cache_dtype: {wanted}` {reason}")


def _on_cpu(wanted: str, machine: Machine, checkpoint: Checkpoint | None) -> str:
    fits = "auto or fp8" if WIDE & machine.instructions else "auto"
    if wanted not in (*AS_THE_MODEL, *FP8):
        return f"needs an NVIDIA GPU, and this engine runs on the CPU: set {fits}"
    if wanted in AS_THE_MODEL:
        return ""
    if not WIDE & machine.instructions:
        return "needs a CPU with AVX-512 or AMX, and this one has neither: set auto"
    if checkpoint and checkpoint.head_size % 32:
        return f"needs attention heads whose size 32 divides, and this model's is {checkpoint.head_size}: set auto"
    return ""


def _on_gpu(wanted: str, machine: Machine, checkpoint: Checkpoint | None) -> str:
    if wanted in ("float16", "bfloat16"):
        return ""
    if 0 < machine.capability < OLDEST_GPU:
        return f"needs a GPU of compute capability {OLDEST_GPU:g} or newer, and this one has {machine.capability:g}: set auto"
    if wanted == "fp8_e5m2" and checkpoint and "fp8" in checkpoint.quantization:
        return "does not go with an fp8 checkpoint: set fp8 (which is e4m3)"
    if wanted == "nvfp4" and checkpoint and checkpoint.head_size == 64 and int(machine.capability) in (8, 9, 12):
        return "cannot be read with attention heads of 64 on this GPU: set fp8"
    return ""
