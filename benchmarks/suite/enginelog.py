"""What an engine's log says about memory, and what nvidia-smi and the kernel say, against what `sllm plan` foresaw.

The lines, as vLLM 0.25 to 0.33 write them (the CPU's build writes no weights, and "CPU KV cache size"):
    Model loading took 14.99 GiB memory and 2.86 seconds
    Available KV cache memory: 112.40 GiB
    GPU KV cache size: 920,784 tokens
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.parent import environment, module

GIB = 2**30
TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
WEIGHTS = re.compile(r"Model loading took ([\d.]+) GiB")
LEFT = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
CAPTURE = re.compile(r"Graph capturing finished in [\d.]+ secs?, took ([\d.]+) GiB")
PLANNING = 60.0  # seconds


def figures(log: str) -> dict[str, int | None]:
    """Bytes and tokens of the last start in a log; None for what it does not say."""
    tokens = TOKENS.findall(log)
    return {
        "tokens": int(tokens[-1].replace(",", "")) if tokens else None,
        "weights": _bytes(WEIGHTS, log),
        "kv_memory": _bytes(LEFT, log),
        "graphs": _bytes(CAPTURE, log),
    }


def _bytes(pattern: re.Pattern[str], log: str) -> int | None:
    found = pattern.findall(log)
    return round(float(found[-1]) * GIB) if found else None


def plan(model: Path, length: int) -> dict[str, Any]:
    """`sllm plan MODEL --json` for this machine, as it is and with the cache in the model's type: weights, KV bytes and tokens.

    Asked before the engine starts, since a plan looks at what is free. Raises BenchError.
    """
    words = module("sllm", "plan", str(model), "--max-model-len", str(length), "--json")
    try:
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=PLANNING, check=False)
        said = json.loads(done.stdout.strip().splitlines()[-1])
        row = next(row for row in said["formats"] if row["format"] in ("as it is", "bf16") and row["kv_dtype"] != "fp8")
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, StopIteration) as error:
        raise BenchError(f"`sllm plan {model.name}` gave no plan ({type(error).__name__}): try it by hand") from None
    return {name: row[name] for name in ("weights", "kv_memory", "kv_bytes", "tokens")} | {"reserve": said["reserve"]}


def gpu_memory() -> int | None:
    """Bytes in use on the first GPU by nvidia-smi; None without one."""
    smi = shutil.which("nvidia-smi")
    if not smi:
        return None
    words = [smi, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        return int(done.stdout.split()[0]) * 2**20
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None
