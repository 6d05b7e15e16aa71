"""Which kernel of vLLM serves which scheme on which target, and what shapes it takes.

Read in vLLM 0.32's source, under vllm/model_executor/:

  kernels/linear/mixed_precision/cpu.py      4 bits; group size even; inputs and outputs divisible by 32
  kernels/linear/mixed_precision/marlin.py   4 and 8 bits; group size -1, 32, 64, 128; asymmetric at 4 bits only;
                                             other widths than its tiles (128 x 64) are padded; earlier versions refuse them
  layers/quantization/auto_gptq.py           symmetric only; Marlin's group sizes asked for on every target;
                                             `desc_act` with groups is refused on every target, so
                                             ours are ordered within groups that stay (methods/gptq.py)
  layers/quantization/auto_awq.py            4 bits; on a GPU Marlin's group sizes, else a kernel "unoptimized" by its own word
  kernels/linear/scaled_mm/                  int8 and fp8: any shape (oneDNN on the CPU; CUTLASS, then Triton on a GPU)
  layers/quantization/torchao.py, vllm_bnb_plugin/   any shape

tests/quantize/test_targets.py holds the figures against the installed vLLM. What a kernel takes counts for the layer as vLLM
builds it, with q, k and v (and gate and up) in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from quantize.source import Linear

Target = Literal["cpu", "cuda"]

FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
MARLIN_GROUPS = (-1, 32, 64, 128)
EVEN_GROUPS = (-1, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Kernel:
    """What one kernel takes. `symmetric` holds the choices, the method's usual one first; `groups` is () where group size does
    not count; `inputs` and `outputs` must divide a layer's widths; `tile` (inputs, outputs) is what it pads to."""

    name: str
    bits: tuple[int, ...]
    symmetric: tuple[bool, ...] = ()
    groups: tuple[int, ...] = ()
    inputs: int = 1
    outputs: int = 1
    tile: tuple[int, int] | None = None


_CPU = "vLLM's 4-bit CPU kernel"
_MARLIN = "vLLM's Marlin kernel"

# (scheme, target) -> the kernels that may serve it; the first that takes bits and symmetry counts.
KERNELS: dict[tuple[str, Target], tuple[Kernel, ...]] = {
    ("gptq", "cpu"): (Kernel(_CPU, (4,), (True,), MARLIN_GROUPS, 32, 32),),
    ("gptq", "cuda"): (Kernel(_MARLIN, (4, 8), (True,), MARLIN_GROUPS, 32, 8, (128, 64)),),
    ("awq", "cpu"): (Kernel(_CPU, (4,), (False,), EVEN_GROUPS, 32, 32),),
    ("awq", "cuda"): (Kernel(_MARLIN, (4,), (False,), MARLIN_GROUPS, 32, 8, (128, 64)),),
    # compressed-tensors, pack-quantized
    ("wna16", "cpu"): (Kernel(_CPU, (4,), (True, False), EVEN_GROUPS, 32, 32),),
    ("wna16", "cuda"): (
        Kernel(_MARLIN, (4,), (True, False), MARLIN_GROUPS, 32, 8, (128, 64)),
        Kernel(_MARLIN, (8,), (True,), MARLIN_GROUPS, 32, 8, (128, 64)),
    ),
    ("w8a8", "cpu"): (Kernel("oneDNN", (8,)),),
    ("w8a8", "cuda"): (Kernel("CUTLASS", (8,)),),
    ("fp8", "cpu"): (Kernel("torch", (8,)),),
    ("fp8", "cuda"): (Kernel("CUTLASS", (8,)),),
    ("torchao", "cpu"): (Kernel("torchao", (8,)),),
    ("torchao", "cuda"): (Kernel("torchao", (8,)),),
    ("bnb", "cpu"): (Kernel("bitsandbytes", (4, 8)),),
    ("bnb", "cuda"): (Kernel("bitsandbytes", (4, 8)),),
}
SCHEMES = tuple(dict.fromkeys(scheme for scheme, _ in KERNELS))


def kernel(scheme: str, target: Target, bits: int, symmetric: bool | None) -> Kernel | None:
    """The kernel that serves `bits` on `target`; None where there is none. `symmetric` None: either."""
    for found in KERNELS[scheme, target]:
        if bits in found.bits and (symmetric is None or not found.symmetric or symmetric in found.symmetric):
            return found
    return None


def built(linears: Iterable[Linear]) -> list[tuple[str, int, int]]:
    """(name, inputs, outputs) of each linear layer as vLLM builds it: q, k and v of one block are one, gate and up too."""
    by_name = {linear.name: linear for linear in linears}
    found = []
    for name, linear in by_name.items():
        parent, _, own = name.rpartition(".")
        family = next((family for family in FUSED if own in family), (own,))
        members = [by_name[whole] for part in family if (whole := f"{parent}.{part}" if parent else part) in by_name]
        if linear is members[0]:
            found.append((" with ".join([name, *family[1:]]), linear.inputs, sum(member.outputs for member in members)))
    return found


def halves(kept: Iterable[str], quantized: Iterable[str]) -> tuple[str, list[str]] | None:
    """A layer that is kept, and those that are quantized and built as one with it, so that vLLM cannot load them; None: no such."""
    names = set(quantized)
    for name in kept:
        parent, _, own = name.rpartition(".")
        family = next((family for family in FUSED if own in family), ())
        if others := [f"{parent}.{part}" for part in family if f"{parent}.{part}" in names]:
            return name, others
    return None
