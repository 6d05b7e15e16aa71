"""What the engine's own log says of itself: its version, where it runs, how long the weights took and how much memory.

vLLM's lines, 0.25 to 0.33 (tests/quantize/evaluation/logs holds real ones):

    ... Initializing a V1 LLM engine (v0.32.0) with config: model=..., device_config=cpu, ...
    ... Loading weights took 0.01 seconds                                  not for bitsandbytes
    ... Model loading took 14.99 GiB memory and 8.123456 seconds          on a GPU; one line a worker
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

GIB = 2**30


class EngineLog(BaseModel):
    """None where the log does not say. `memory`: bytes that loading the model took, over all GPUs; `load_seconds`: that reading
    the weights took, or where it only says so, loading the model."""

    model_config = ConfigDict(frozen=True)

    version: str | None = None
    device: str | None = None
    memory: int | None = None
    load_seconds: float | None = None


def read(log: str) -> EngineLog:
    version = re.search(r"LLM engine \(v([^)\s]+)\)", log) or re.search(r"\bversion (\d+\.\d+\S*)", log)
    device = re.search(r"\bdevice_config=(?:device\(type=')?(\w+)", log)
    models = re.findall(r"Model loading took ([\d.]+) (GiB|MiB)(?: memory)? and ([\d.]+) seconds", log)
    weights = re.findall(r"Loading weights took ([\d.]+) seconds", log)
    memory = sum(float(amount) * (GIB if unit == "GiB" else GIB / 1024) for amount, unit, _ in models)
    seconds = [float(took) for took in weights] or [float(took) for _, _, took in models]
    return EngineLog(
        version=version[1] if version else None,
        device=device[1] if device else None,
        memory=round(memory) if models else None,
        load_seconds=max(seconds) if seconds else None,
    )
