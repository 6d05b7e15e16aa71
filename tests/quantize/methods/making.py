"""A checkpoint made by the worker, as a process of its own, and what it said."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quantize import environments
from quantize.errors import MissingLibrary
from quantize.job import Event, Job
from quantize.methods import METHODS
from quantize.recipe import Recipe, for_method
from quantize.stream import Weights
from tests.quantize.methods.models import DEMO


@dataclass(frozen=True)
class Made:
    folder: Path
    events: list[Event]
    said: str  # what the process wrote on its stdout that is no Event

    @property
    def config(self) -> dict[str, Any]:
        whole = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = whole["quantization_config"]
        return found

    def read(self, *names: str) -> list[Any]:
        with Weights(self.folder) as weights:
            return [weights.read(name) for name in names]

    def names(self) -> set[str]:
        with Weights(self.folder) as weights:
            return set(weights.stored)


def make(name: str, folder: Path, *, source: Path = DEMO, length: int = 40, **recipe: Any) -> Made:
    """Quantize a small model in the method's own environment, with sixteen samples of `length` tokens and a few more."""
    try:
        python = environments.python(METHODS[name].environment)
    except MissingLibrary as error:
        pytest.skip(error.message)
    method = METHODS[name]
    out, scratch = folder / "out", folder / "scratch"
    for each in (out, scratch):
        each.mkdir(parents=True)
    samples = folder / "samples.jsonl"
    samples.write_text("".join(f"{json.dumps([(7 * i * j + i) % 2000 + 5 for j in range(length + i)])}\n" for i in range(16)))
    whole = for_method(Recipe(**recipe), method).model_dump(mode="json")
    whole |= {"bits": method.bits[0], "symmetric": True if whole["symmetric"] is None else whole["symmetric"]}
    job = folder / "job.json"
    job.write_text(Job(name, source, out, scratch, whole, samples, threads=1).to_json())
    words = [str(python), "-P", "-m", "quantize.worker", str(job)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=250, cwd=folder, env={"PYTHONPATH": str(environments.ROOT)}, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    return Made(
        out, [Event.from_json(line) for line in lines if line.startswith('{"kind"')], "".join(x for x in lines if x[:7] != '{"kind"')
    )


def check_told(made: Made, library: str) -> None:
    """Every phase and every layer is told, then the library's version, and nothing else is on stdout."""
    assert [event.phase for event in made.events if event.kind == "phase"] == ["loading", "quantizing", "saving"]
    assert [(event.done, event.total) for event in made.events if event.kind == "layer"] == [(n, 4) for n in range(1, 5)]
    assert made.events[-1].kind == "done"
    assert made.events[-1].versions
    assert made.events[-1].versions[library]
    assert made.said == ""
