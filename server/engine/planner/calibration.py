"""The plan held against the engine: after each start one line in `plan-calibration.jsonl`, with what was predicted and what the
engine logged. A start never fails by it.

The engine's lines (vLLM 0.32, `kv_cache_utils.py` and `gpu_model_runner.py`; older versions put each figure on its own line):

    GPU KV cache size: 524,288 tokens, Maximum concurrency for 2,048 tokens per request: 256.00x
    Model loading took 14.99 GiB memory and 2.1 seconds
    Available KV cache memory: 112.40 GiB
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.engine import argv
from server.engine.machine import Machine
from server.engine.planner import formats, memory, plan, source
from server.engine.planner.memory import Device

FILE = "plan-calibration.jsonl"
KEPT = 200  # lines
READ = 4 * 2**20  # bytes of a log
GIB = 2**30
TURN = threading.Lock()  # several engines may be ready at one moment

TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
CONCURRENCY = re.compile(r"Maximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x")
WEIGHTS = re.compile(r"Model loading took ([\d.]+) GiB")
LEFT = re.compile(r"Available KV cache memory: ([\d.]+) GiB")


def logged(log: str) -> dict[str, Any]:
    """The engine's own figures in the text of its log, the last of each; without `kv_tokens` where it logged none."""
    found: dict[str, Any] = {}
    for match in TOKENS.finditer(log):
        found["kv_tokens"] = int(match[1].replace(",", ""))
    for match in CONCURRENCY.finditer(log):
        found |= {"max_model_len": int(match[1].replace(",", "")), "concurrency": float(match[2])}
    for pattern, name in ((WEIGHTS, "weights"), (LEFT, "kv_memory")):
        for match in pattern.finditer(log):
            found[name] = round(float(match[1]) * GIB)
    return found


def predicted(parts: argv.Parts, machine: Machine) -> dict[str, Any] | None:
    """What the plan says of an engine made of `parts`, None where it plans no KV cache. Raises StartError, UsageError."""
    model = parts.model
    spec = model.speculative
    shape = source.of_folder(parts.checkpoint.path, mtp=bool(spec and spec.method == "mtp"))
    if shape.unplanned:
        return None
    device = plan.configured(_device(parts, machine), model)
    load = plan.beside(model, shape, device)
    found = plan.of_shape(model, shape, load, device)
    served = found.served
    if served is None:
        return None
    length = served.longest or found.length  # `--max-model-len auto` takes what fits
    pool = memory.pool((*shape.layers, *load.layers), served.kv_dtype, device)
    tokens, concurrency = pool.capacity(max(served.kv_memory, 0), length)
    return {
        "weights": served.weights + load.draft,
        "kv_memory": served.kv_memory,
        "kv_tokens": tokens,
        "max_model_len": length,
        "concurrency": round(concurrency, 2),
        "format": shape.quantization or formats.served(shape, model.dtype),
        "kv_dtype": served.kv_dtype,
        "reserve": found.reserve,
    }


def _device(parts: argv.Parts, machine: Machine) -> Device:
    if machine.kind == "cpu":
        # The engine has started, so that its memory is there: what is free now says nothing.
        return memory.cpu(1 << 62, argv.cpu_cache(parts, machine))
    device = memory.cuda(machine.gpu_memory)
    share = parts.share if parts.model.gpu_memory_utilization == "auto" else parts.model.gpu_memory_utilization
    return device if share is None else replace(device, share=share)


def note(parts: argv.Parts, machine: Machine, log: Path, version: str, data_dir: Path) -> dict[str, Any] | None:
    """Compare the start whose log is `log` with its prediction, and keep the comparison in `data_dir`. Returns it, None without one."""
    found = logged(_text(log))
    if not found.get("kv_tokens"):
        return None
    plan = predicted(parts, machine)
    if plan is None:
        return None
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": parts.model.name,
        "machine": machine.kind,
        "gpu_memory": machine.gpu_memory,
        "vllm": version or machine.version,
        "predicted": plan,
        "engine": found,
        "error": errors(plan, found),
    }
    with TURN:
        keep(data_dir / FILE, record)
    return record


def errors(plan: Mapping[str, Any], engine: Mapping[str, Any]) -> dict[str, float]:
    """How far off the plan was, by figure, as a share of the engine's: 0.02 is 2% too much."""
    return {
        name: round((plan[name] - engine[name]) / engine[name], 5) for name in ("weights", "kv_memory", "kv_tokens") if engine.get(name)
    }


def keep(file: Path, record: Mapping[str, Any]) -> None:
    """Add a line, the oldest going where there are more than KEPT. Written aside and renamed, so that a reader sees whole lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()[-(KEPT - 1) :]
    except (OSError, ValueError):
        lines = []
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    aside.write_text("\n".join([*lines, json.dumps(record, ensure_ascii=False)]) + "\n", encoding="utf-8")
    aside.replace(file)


def read(data_dir: Path) -> list[dict[str, Any]]:
    """The comparisons kept in `data_dir`, the oldest first; lines that are none are passed over."""
    found = []
    try:
        lines = (data_dir / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("predicted", "engine", "error")):
            found.append(record)
    return found


def _text(log: Path) -> str:
    """The beginning of the log of one start, where its figures are."""
    try:
        with log.open("rb") as opened:
            return opened.read(READ).decode(errors="replace")
    except OSError:
        return ""
