from pathlib import Path

import pytest

from quantize.machine import Machine, available_memory, look


def test_a_machine_has_memory_disk_and_processors(tmp_path: Path):
    machine = look(tmp_path / "not" / "there" / "yet")
    assert machine.memory > 0
    assert machine.disk > 0
    assert machine.cpus >= 1


def proc(path: Path, available_kib: int) -> Path:
    path.mkdir()
    (path / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available_kib} kB\n")
    return path


def test_without_a_control_group_what_the_kernel_calls_available_counts(tmp_path: Path):
    assert available_memory(proc(tmp_path / "proc", 1000), tmp_path / "none") == 1000 * 1024


def test_a_container_counts_what_its_control_group_leaves_with_the_file_cache_that_it_may_drop(tmp_path: Path):
    group = tmp_path / "cgroup"
    group.mkdir()
    (group / "memory.max").write_text("500000\n")
    (group / "memory.current").write_text("400000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 150000\n")
    assert available_memory(proc(tmp_path / "proc", 1000), group) == 250000


def test_a_group_without_a_limit_does_not_count(tmp_path: Path):
    group = tmp_path / "cgroup"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    assert available_memory(proc(tmp_path / "proc", 1000), group) == 1000 * 1024


def test_the_older_control_groups_count_too(tmp_path: Path):
    group = tmp_path / "cgroup/memory"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("500000")
    (group / "memory.usage_in_bytes").write_text("100000")
    (group / "memory.stat").write_text("total_inactive_file 0\n")
    assert available_memory(proc(tmp_path / "proc", 1000), tmp_path / "cgroup") == 400000


@pytest.mark.parametrize(
    ("gpu", "engine", "target"), [(True, "cuda", "cuda"), (True, None, "cuda"), (True, "cpu", "cpu"), (False, "cuda", "cpu")]
)
def test_the_target_is_the_engine_that_this_machine_would_start(gpu: bool, engine, target: str):
    assert Machine(1, 1, 1, gpu, engine).target == target
