"""The process that quantizes: what it says, how it words what goes wrong, and that it never outlives its parent."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantize.errors import DiskFull, MethodFailed, MissingLibrary, QuantizeError, Refused, SourceError
from quantize.job import Event, Job
from quantize.methods import METHODS, bnb_nf4, gptq
from quantize.recipe import Recipe
from quantize.worker import in_words
from tests.quantize.methods.models import DEMO

WORKER = (sys.executable, "-m", "quantize.worker")


def write_job(folder: Path, method: str, source: Path = DEMO, threads: int = 1) -> Path:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    recipe = Recipe(method=method, bits=METHODS[method].bits[0])
    job = Job(method, source, folder / "out", folder / "scratch", recipe.model_dump(), threads=threads)
    (folder / "job.json").write_text(job.to_json())
    return folder / "job.json"


def work(job: Path, **environment: str) -> tuple[int, list[Event], str]:
    """Exit code, events and log of a worker that has done `job`. A line that is no Event fails."""
    done = subprocess.run([*WORKER, str(job)], capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    return done.returncode, [Event.from_json(line) for line in done.stdout.splitlines()], done.stderr


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_it_says_events_and_nothing_else_and_the_same_bytes_come_out_whatever_the_hash_seed(tmp_path: Path):
    code, events, log = work(write_job(tmp_path / "one", "int8"), PYTHONHASHSEED="1")
    assert (code, [event.kind for event in events]) == (0, ["phase", "phase", *["layer"] * 4, "phase", "done"]), log
    done = events[-1]
    assert {"torchao", "torch", "transformers"} <= {*(done.versions or {})}
    assert 2**27 < done.peak < 2**30
    assert work(write_job(tmp_path / "two", "int8"), PYTHONHASHSEED="2")[0] == 0
    assert digests(tmp_path / "one" / "out") == digests(tmp_path / "two" / "out")


def test_a_source_that_transformers_does_not_know_is_one_sentence(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "frobnicator", "architectures": ["FrobForCausalLM"]}))
    (tmp_path / "model" / "model.safetensors").write_bytes((DEMO / "model.safetensors").read_bytes())
    code, events, log = work(write_job(tmp_path / "job", "bnb-int8", tmp_path / "model"))
    assert (code, events[-1].kind, events[-1].error) == (1, "error", "SourceError"), log
    assert "bitsandbytes does not know the architecture of model" in events[-1].message
    assert "\n" not in events[-1].message
    assert "Traceback" in log


@pytest.fixture
def parent(tmp_path: Path):
    """A process that has started a worker which waits for its job's file, a pipe that is never written."""
    os.mkfifo(tmp_path / "job.json")
    script = f"import subprocess, sys; p = subprocess.Popen({[*WORKER, str(tmp_path / 'job.json')]}); print(p.pid, flush=True); p.wait()"
    started = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.wait()
    assert started.stdout is not None
    started.stdout.close()


def test_it_ends_with_its_parent_however_that_ends(parent: subprocess.Popen[str], tmp_path: Path):
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    held = opened_by_reader(tmp_path / "job.json")
    try:
        parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while running(worker) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not running(worker)
    finally:
        os.close(held)


def opened_by_reader(fifo: Path) -> int:
    """The writing end of `fifo`, once the worker has come as far as reading its job; while it is held, the worker waits."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # ENXIO while nobody reads
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the worker never read its job")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


JOB = Job("gptq", Path("/models/tiny"), Path("/disk/aside/out"), Path("/disk/aside/scratch"), {})


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (Refused("as it was"), Refused, "as it was"),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "the disk of /disk/aside is full: free some space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull, "the disk of /disk/aside is full"),
        (
            RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
            DiskFull,
            "the disk of /disk/aside is full",
        ),
        (MemoryError(), MethodFailed, "memory ran out while gptqmodel quantized tiny"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), MethodFailed, "memory ran out"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MethodFailed, "memory ran out"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), MethodFailed, "memory ran out"),
        (ModuleNotFoundError("No module named 'gptqmodel'"), MissingLibrary, "gptq cannot load what it needs"),
        (ValueError("model type `x` but Transformers does not recognize this architecture"), SourceError, "does not know the architecture"),
        (TypeError("frob isn't supported yet."), SourceError, "gptqmodel does not know the architecture of tiny (TypeError: frob isn't"),
        (ValueError("a shape\nis wrong."), MethodFailed, "gptqmodel could not quantize tiny: ValueError: a shape; the log has the rest"),
        (KeyError(), MethodFailed, "gptqmodel could not quantize tiny: KeyError; the log has the rest"),
        (SystemExit(3), MethodFailed, "gptqmodel could not quantize tiny: SystemExit: 3; the log has the rest"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:30],
)
def test_whatever_ends_the_work_is_one_sentence(error: BaseException, kind: type[QuantizeError], says: str):
    told = in_words(error, JOB, gptq.METHOD)
    assert type(told) is kind
    assert says in told.message
    assert "\n" not in told.message


@pytest.mark.parametrize(("method", "says"), [(gptq.METHOD, "--samples 64"), (bnb_nf4.METHOD, "a larger machine")], ids=["gptq", "bnb-nf4"])
def test_memory_that_runs_out_names_what_helps_this_method(method, says: str):
    assert says in in_words(MemoryError(), JOB, method).message
