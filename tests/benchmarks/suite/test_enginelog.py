"""What engines write about memory, as they wrote it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.provenance import ROOT
from benchmarks.suite import enginelog

CPU = """
(EngineCore pid=11756) INFO 11-21 19:03:16 [cpu_worker.py:260] Explicitly set (1.0/20.21) GiB for KV cache on node 0.
(EngineCore pid=11756) INFO 11-21 19:03:16 [kv_cache_utils.py:2327] CPU KV cache size: 524,288 tokens, Maximum concurrency for 2,048 \
tokens per request: 256.00x
"""
GPU = """
(EngineCore pid=1) INFO [gpu_model_runner.py:4816] Model loading took 14.99 GiB memory and 2.86 seconds
(EngineCore pid=1) INFO [gpu_worker.py:436] Available KV cache memory: 112.40 GiB
(EngineCore pid=1) INFO [kv_cache_utils.py:1319] GPU KV cache size: 920,784 tokens
(EngineCore pid=1) INFO [kv_cache_utils.py:1324] Maximum concurrency for 2,048 tokens per request: 449.60x
(EngineCore pid=1) INFO [gpu_model_runner.py:5900] Graph capturing finished in 9 secs, took 0.84 GiB
"""
GIB = 2**30


def test_the_cpu_engine_logs_tokens_and_no_weights() -> None:
    assert enginelog.figures(CPU) == {"tokens": 524288, "weights": None, "kv_memory": None, "graphs": None}


def test_the_gpu_engine_logs_all_four() -> None:
    expected = {"tokens": 920784, "weights": round(14.99 * GIB), "kv_memory": round(112.40 * GIB), "graphs": round(0.84 * GIB)}
    assert enginelog.figures(GPU) == expected


def test_the_last_start_of_a_log_counts() -> None:
    assert enginelog.figures(GPU + CPU)["tokens"] == 524288


def test_a_plan_is_that_of_sllm_plan() -> None:
    found = enginelog.plan(ROOT / "models/demo", 2048)
    assert (found["weights"], found["kv_bytes"]) == (5771776, 2048)


def test_without_nvidia_smi_no_memory_is_claimed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert enginelog.gpu_memory() is None


def test_nvidia_smis_mebibytes_become_bytes(monkeypatch, tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 1234\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert enginelog.gpu_memory() == 1234 * 2**20
