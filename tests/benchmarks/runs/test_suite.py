"""`sllm bench suite gpu` around its steps: the scale, the list, the document that stays. The steps themselves are fakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import busygpu
from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.reports import document
from benchmarks.runs import suite
from benchmarks.runs.suite import SuiteOptions
from benchmarks.suite import gpu
from tests.benchmarks.suite import fakes


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "gpu_memory", lambda: None)


@pytest.fixture
def fake_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's steps are two of the fakes."""
    monkeypatch.setattr(gpu, "SOURCE", fakes.SOURCE)
    monkeypatch.setattr(
        suite, "write_plan", lambda folder, source, options: REAL(folder, source, options | {"steps": [["good", []], ["refused", []]]})
    )


REAL = suite.write_plan


def run(out: Path, **more: Any) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return suite.run(SuiteOptions(out=out, scale="cpu", **more), said.append), said


def test_without_a_gpu_the_scale_is_the_cpus(no_gpu: None, tmp_path: Path) -> None:
    assert suite.scale_of("auto", tmp_path) == "cpu"


def test_a_folder_goes_on_at_its_own_scale(no_gpu: None, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"source": gpu.SOURCE, "options": {"scale": "gpu"}}))
    assert suite.scale_of("auto", tmp_path) == "gpu"


def test_the_gpu_scale_without_a_gpu_is_refused(no_gpu: None, tmp_path: Path) -> None:
    with pytest.raises(BenchUsageError, match="--scale gpu needs an NVIDIA GPU, and nvidia-smi finds none"):
        suite.run(SuiteOptions(out=tmp_path / "out", scale="gpu"))


def test_the_list_names_every_step_and_runs_none(no_gpu: None, tmp_path: Path) -> None:
    lines = suite.listed(SuiteOptions(out=tmp_path / "out", only="speculation-*"))
    assert [line.split()[0] for line in lines] == ["speculation-none", "speculation-ngram", "speculation-draft"]
    assert all("not measured yet" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_what_failed_makes_the_document_partial_and_says_what(fake_steps: None, tmp_path: Path) -> None:
    made, said = run(tmp_path)
    assert (made["status"], made["note"]) == ("partial", "failed: refused")
    assert [step["status"] for step in made["steps"]] == ["done", "failed"]
    assert document.load(tmp_path / "result.json")["steps"] == made["steps"]
    assert any("the GPU is busy" in line for line in said)


def test_the_runs_time_is_in_the_note(fake_steps: None, tmp_path: Path) -> None:
    made, _ = run(tmp_path, limit_total=0.5)
    assert made["note"] == "the time of this run is over (0 s): the same command goes on with good; not measured yet: good, refused"


def test_a_second_run_keeps_where_the_first_figures_came_from(fake_steps: None, tmp_path: Path) -> None:
    first, _ = run(tmp_path, only="good")
    second, _ = run(tmp_path, command="another")
    assert second["provenance"]["date"] == first["provenance"]["date"]
    assert second["provenance"]["command"] == "sllm bench suite gpu"


def test_a_busy_gpu_is_refused_before_the_first_step(fake_steps: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*, anyway: bool) -> None:
        raise BenchError("GPU 0 is busy")

    monkeypatch.setattr(busygpu, "check", busy)
    with pytest.raises(BenchError, match="GPU 0 is busy"):
        run(tmp_path)
    assert not (tmp_path / "steps").exists()
