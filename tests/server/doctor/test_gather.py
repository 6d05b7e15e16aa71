"""Finding the facts of a machine."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from server.doctor import gather
from server.doctor.facts import GPU
from server.settings import parse
from tests.server.terminal.scripted import ScriptedServer


def test_nvidia_smi_reads_as_driver_and_gpus():
    text = "580.95.05, NVIDIA H200, 143771, 143000\n580.95.05, NVIDIA H200, 143771, 1024\n"
    driver, error, gpus = gather.read_nvidia_smi(text)
    assert (driver, error) == ("580.95.05", None)
    assert gpus == (GPU("NVIDIA H200", 143771 * 2**20, 143000 * 2**20), GPU("NVIDIA H200", 143771 * 2**20, 2**30))


def test_a_gpu_that_shares_the_machines_memory_has_no_figure_of_its_own():
    assert gather.read_nvidia_smi("580.1, NVIDIA GB10, [N/A], [N/A]\n")[2] == (GPU("NVIDIA GB10", 0, 0),)
    assert gather.read_nvidia_smi("") == (None, None, ())


def test_the_processors_flags_are_read_on_both_architectures(tmp_path: Path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert "avx512f" in gather.cpu_flags(info)
    info.write_text("Features\t: fp asimd bf16\n")
    assert "bf16" in gather.cpu_flags(info)
    assert gather.cpu_flags(tmp_path / "none") == frozenset()


def test_a_lock_gives_names_and_versions_and_leaves_out_what_only_some_machines_need(tmp_path: Path):
    lock = tmp_path / "lock.txt"
    lock.write_text("# made\na==1.0\nB-c==2 \\\n    --hash=sha256:x\nnetworkx==3 ; python_full_version < '3.12'\n")
    assert gather.locked(lock) == {"a": "1.0", "b-c": "2"}
    assert gather.locked(tmp_path / "none") == {}


def test_a_taken_port_says_why_and_a_free_one_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert gather.port_taken("127.0.0.1", taken.getsockname()[1]) == "Address already in use"
    assert gather.port_taken("127.0.0.1", 0) is None


def test_a_running_server_is_recognised_on_a_taken_port():
    with ScriptedServer() as server:
        facts = gather.gather(parse({"gateway": {"port": server.http.server_port}}), {"HF_HUB_OFFLINE": "1"})
    assert facts.port_serves
    assert facts.hub.offline


def test_a_folder_that_is_not_there_yet_is_judged_by_its_parent(tmp_path: Path):
    assert gather.writable(tmp_path / "a/b") is None
    assert gather.writable(Path("/proc/sllm")) is not None
    assert gather.disk(tmp_path / "a/b").free > 0


def test_a_hub_that_never_answers_costs_no_more_than_its_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        found = gather.hub({"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}, timeout=0.3)
    assert found.error
    assert time.monotonic() - began < 2


def test_a_hub_that_answers_has_no_error():
    with ScriptedServer() as server:
        assert gather.hub({"HF_ENDPOINT": f"{server.url}/"}).error is None or "501" in str(gather.hub({"HF_ENDPOINT": server.url}).error)
