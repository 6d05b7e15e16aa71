"""The janitor and the programs below it: nothing runs on and nothing is left, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantize.children import ROOT, Children, Memory
from quantize.errors import MethodFailed
from quantize.janitor import descendants

# Starts a process in a session of its own that ignores SIGTERM, names both pids, and waits.
FAMILY = """
import os, signal, subprocess, sys, time
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(os.getpid(), child.pid, flush=True)
time.sleep(600 if len(sys.argv) < 2 else 0)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(*pids: int, within: float = 30) -> bool:
    end = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "aside" / "deep").mkdir(parents=True)
    (tmp_path / "aside" / "deep" / "weights").write_text("half")
    return tmp_path / "aside"


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def test_a_program_is_heard_line_by_line_and_its_noise_is_in_the_log(folder: Path, tmp_path: Path):
    heard: list[str] = []
    with Children(folder) as children:
        code = "import sys; print('one'); print('noise', file=sys.stderr); sys.stdout.write('two\\nunfinished'); sys.exit(3)"
        assert children.run(python(code), tmp_path / "log", heard.append) == 3
    assert heard == ["one", "two", "unfinished"]
    assert (tmp_path / "log").read_text() == "noise\n"


def test_a_second_program_adds_to_the_log(folder: Path, tmp_path: Path):
    with Children(folder) as children:
        for word in ("a", "b"):
            assert children.run(python(f"import sys; print('{word}', file=sys.stderr)"), tmp_path / "log", print) == 0
    assert (tmp_path / "log").read_text() == "a\nb\n"


def test_a_signal_is_a_negative_status(folder: Path, tmp_path: Path):
    with Children(folder) as children:
        assert children.run(python("import os; os.kill(os.getpid(), 9)"), tmp_path / "log", print) == -signal.SIGKILL


def test_a_program_that_is_not_there_is_a_status_and_a_line_of_the_log(folder: Path, tmp_path: Path):
    with Children(folder) as children:
        assert children.run(["/no/such/program"], tmp_path / "log", print) == 127
    assert "cannot start /no/such/program" in (tmp_path / "log").read_text()


def test_memory_is_that_of_the_program_and_of_what_it_started(folder: Path, tmp_path: Path):
    seen: list[Memory] = []
    hungry = "import time; b = bytearray(80 * 2**20); time.sleep(2)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}])"
    with Children(folder) as children:
        children.run(python(code), tmp_path / "log", print, seen.append)
    assert max(memory.now for memory in seen) > 80 * 2**20
    assert seen[-1].peak >= max(memory.now for memory in seen)


def test_closing_ends_every_program_and_removes_the_folder(folder: Path, tmp_path: Path):
    class Enough(Exception):
        pass

    def stop(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise Enough

    pids: list[int] = []
    with pytest.raises(Enough), Children(folder, grace=0.3) as children:
        children.run(python(FAMILY), tmp_path / "log", stop)
    assert not any(alive(pid) for pid in pids)
    assert not folder.exists()


def test_what_a_program_leaves_running_ends_with_it(folder: Path, tmp_path: Path):
    pids: list[int] = []
    with Children(folder, grace=0.3) as children:
        assert children.run(python(FAMILY, "go"), tmp_path / "log", lambda line: pids.extend(int(word) for word in line.split())) == 0
        assert not any(alive(pid) for pid in pids)


COMMAND = """
import sys
from pathlib import Path
from quantize.children import Children
with Children(Path(sys.argv[1]), grace=0.3) as children:
    print(children.janitor.pid, flush=True)
    children.run([sys.executable, "-c", sys.argv[3]], Path(sys.argv[2]), lambda line: print(line, flush=True))
"""


def test_sigkill_of_the_command_ends_every_program_and_removes_the_folder(folder: Path, tmp_path: Path):
    words = python(COMMAND, str(folder), str(tmp_path / "log"), FAMILY)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as command:
        assert command.stdout
        pids = [int(command.stdout.readline()), *map(int, command.stdout.readline().split())]
        assert all(alive(pid) for pid in pids)
        command.kill()
    assert gone(*pids)
    assert not folder.exists()


def test_a_janitor_that_is_killed_takes_the_program_along_and_is_said(folder: Path, tmp_path: Path):
    children, pids = Children(folder), []

    def kill(line: str) -> None:
        pids.append(int(line))
        children.janitor.kill()

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with children, pytest.raises(MethodFailed, match="was ended from outside"):
        children.run(python(code), tmp_path / "log", kill)
    assert gone(*pids)


def test_descendants_are_all_below():
    with subprocess.Popen(python(FAMILY), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pids = [int(word) for word in process.stdout.readline().split()]
        assert set(pids) <= set(descendants(os.getpid()))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
