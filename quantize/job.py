"""What the process that quantizes is told, and what it says back.

The work is done by a process of its own (`python -m quantize.worker JOB.json`), so that its memory is its own, a library that
crashes takes nothing with it, and llm-compressor can run in another environment. This module imports the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """`recipe` is Recipe.model_dump() with every default filled in; `calibration` is a JSONL file with one list of token ids
    a line (None for methods without calibration); the checkpoint is written to `out`, which exists and is empty; `scratch` is
    an empty folder on the same disk, removed afterwards."""

    method: str
    source: Path
    out: Path
    scratch: Path
    recipe: Mapping[str, Any]
    calibration: Path | None = None
    threads: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Job:
        data = json.loads(text)
        paths = {key: Path(data[key]) for key in ("source", "out", "scratch")}
        calibration = Path(data["calibration"]) if data["calibration"] else None
        return Job(**{**data, **paths, "calibration": calibration})

    def samples(self) -> list[list[int]]:
        """The calibration set: token ids, one list a sample."""
        assert self.calibration is not None
        return [json.loads(line) for line in self.calibration.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Event:
    """One line of what the worker says: JSON on its stdout.

    kind "phase":  `phase` is loading, quantizing or saving
    kind "layer":  `done` of `total` decoder layers are quantized
    kind "done":   `versions` of the libraries, `peak` bytes of resident memory (VmHWM)
    kind "error":  `error` is a class of quantize.errors, `message` its sentence
    """

    kind: str
    phase: str = ""
    done: int = 0
    total: int = 0
    peak: int = 0
    versions: Mapping[str, str] | None = None
    error: str = ""
    message: str = ""

    def to_json(self) -> str:
        return json.dumps({key: value for key, value in asdict(self).items() if value not in ("", 0, None)}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> Event:
        return Event(**json.loads(text))


Report = Callable[[Event], None]
