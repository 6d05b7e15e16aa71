import os
import shlex
import subprocess
import sys

import pytest

from benchmarks.processes import Server, fetch, free_port, on_cores

PYTHON = shlex.quote(sys.executable)
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'benchmarks.mock', '--port', sys.argv[1]])"


@pytest.fixture
def start():
    servers = []

    def start(command, port=0, cores=None):
        servers.append(Server("subject", command, port, cores or os.sched_getaffinity(0)))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(5)


@pytest.fixture
def parent_and_child(start):
    port = free_port()
    server = start(f"{PYTHON} -c {shlex.quote(PARENT)} {port}", port)
    server.wait_until("/health", None, 20)
    return server


def test_processes_started_on_a_core_stay_there_and_ours_do_not():
    before = os.sched_getaffinity(0)
    core = min(before)
    with on_cores({core}):
        done = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == str({core})
    assert os.sched_getaffinity(0) == before


def test_a_core_that_is_not_there_is_left_out():
    with on_cores({100_000}):
        assert os.sched_getaffinity(0)


def test_the_children_of_a_server_are_found_and_their_memory_counted(parent_and_child):
    pids = parent_and_child.pids()
    assert len(pids) == 2
    memory = parent_and_child.peak_memory()
    assert set(memory) == set(pids)
    assert all(2**20 < peak < 2**30 for peak in memory.values())


def test_cpu_time_of_a_server_grows_with_its_work(parent_and_child):
    before = parent_and_child.cpu_seconds()
    while parent_and_child.cpu_seconds() == before:
        fetch(parent_and_child.port, "/health")


def test_stopping_a_server_leaves_no_child(parent_and_child):
    pids = parent_and_child.pids()
    parent_and_child.stop(5)
    with pytest.raises(OSError):
        fetch(parent_and_child.port, "/health", timeout=1)
    assert parent_and_child.process.returncode is not None
    assert not os.path.exists(f"/proc/{pids[0]}")


def test_a_server_that_ends_at_once_is_an_error_that_names_its_command(start):
    server = start(f"{PYTHON} -c 'raise SystemExit(3)'", free_port())
    with pytest.raises(RuntimeError, match=r"ended with code 3.*raise SystemExit"):
        server.wait_until("/health", None, 20)


def test_a_server_that_never_answers_is_an_error(start):
    server = start("sleep 60", free_port())
    with pytest.raises(RuntimeError, match="did not answer /health"):
        server.wait_until("/health", None, 0.1)
