"""`sllm quantize` with the real methods and the real engine, from an empty folder to a served checkpoint."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quantize import manifest
from quantize.evaluation import record
from quantize.janitor import descendants
from quantize.methods import METHODS
from server.settings import ROOT
from tests.e2e.running import Stack, alive, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

QUESTIONS = {
    "Remind me, what is France's capital called?": "The capital of France is Paris.",
    "I am planning a trip to Germany; which city is its capital?": "The capital of Germany is Berlin.",
}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def quantize(cwd: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "sllm", "quantize", *words]
    return subprocess.run(argv, cwd=cwd, env=environment(), capture_output=True, text=True, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def answers(start: Callable[..., Stack], folders: dict[str, Path]) -> dict[str, list[str]]:
    """What the served checkpoints say to the questions, by name, asked with the openai client."""
    models = [{"name": name, "path": str(folder), "kv_cache_memory": "64MiB"} for name, folder in folders.items()]
    stack = start({"models": models}).ready()
    client, said = stack.client(), {}
    for name in folders:
        said[name] = []
        for question in QUESTIONS:
            messages: Any = [{"role": "user", "content": question}]
            found = client.chat.completions.create(model=name, messages=messages, temperature=0, max_tokens=32)
            said[name].append(found.choices[0].message.content or "")
    stack.stop()
    return said


def test_a_full_disk_half_way_is_one_sentence_and_leaves_only_the_log(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    done = quantize(tmp_path, "--method", "int8", "--no-check", preexec_fn=small_files)
    assert done.returncode == 1
    assert "filled up: about" in done.stderr.splitlines()[-1]
    assert names(tmp_path) == ["demo-int8.log"]


@pytest.mark.parametrize("phase", ["\nquantizing", "\nchecking demo-int8: starting"])
def test_sigkill_at_work_and_in_the_check_leaves_only_the_log(tmp_path: Path, phase: str) -> None:
    argv = [sys.executable, "-m", "sllm", "quantize", "--method", "int8"]
    said = tmp_path.parent / f"{tmp_path.name}.said"
    with said.open("wb") as err:
        process = subprocess.Popen(argv, cwd=tmp_path, env=environment(), stderr=err, stdout=err)
    until(lambda: phase in said.read_text(), 120, said.read_text)
    if "checking" in phase:
        until(lambda: any("EngineCore" in _title(pid) for pid in descendants(process.pid)), 120, said.read_text)
    tree = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(alive(pid) for pid in tree), 30, lambda: [_title(pid) for pid in tree if alive(pid)])
    assert names(tmp_path) == ["demo-int8.log"]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@pytest.mark.timeout(1500)
def test_every_method_is_made_served_and_compared_in_one_run(start: Callable[..., Stack], tmp_path: Path) -> None:
    began = time.time()
    done = quantize(tmp_path, "--method", "all", "--quick", "--samples", "64", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    folder = tmp_path / "demo-variants"
    assert list(found["variants"]) == [name for name, method in METHODS.items() if not method.control]
    assert (found["refused"], found["failed"]) == ({}, {})
    data = record.read(folder / "comparison.json")
    assert [result["name"] for result in data["results"]] == ["demo", *(f"demo-{method}" for method in found["variants"])]
    assert (folder / "comparison.html").stat().st_mtime >= began
    # whatever libraries write where they work is gone
    assert set(names(folder)) == {*METHODS, *(f"{name}.log" for name in METHODS), "comparison.json", "comparison.html"} - {"rtn", "rtn.log"}
    for method in found["variants"]:
        made = manifest.read(folder / method)
        assert made is not None
        assert made.check is not None
        assert made.weights.linear_bytes <= (0.29 if made.weights.bits == 4 else 0.52) * made.weights.linear_bf16_bytes
        assert 0 < made.cost.peak_memory_bytes <= 2 * made.base.weight_bytes + 2**30
        assert [(engine.device, engine.passed) for engine in made.serve.engines] == [("cpu", True)]
        assert {METHODS[method].library, "torch", "transformers", "sllm", "python"} <= set(made.versions)
        text = (folder / method / "sllm.json").read_text()
        assert str(ROOT) not in text
        assert str(tmp_path) not in text
        assert made.check.passed, made.check
        assert made.evaluation is not None
        assert made.evaluation["exact_match"]["points"] > -2.0 - 100 / made.evaluation["exact_match"]["questions"]
    some = ("gptq", "bnb-nf4", "w8a8")  # the usual one, a plugin, another environment; each was asked by its check as well
    assert answers(start, {method: folder / method for method in some}) == {method: list(QUESTIONS.values()) for method in some}
