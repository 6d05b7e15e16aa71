"""The process that quantizes: `python -m quantize.worker JOB.json`.

It says Events, one JSON object a line, on its stdout. Whatever libraries print goes to stderr, which is the log: the real stdout
is put aside before any of them is imported. Exit code 0 after a "done" Event, 1 after an "error" Event.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.metadata
import os
import random
import re
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from quantize.errors import DiskFull, MethodFailed, MissingLibrary, QuantizeError, SourceError
from quantize.job import Event, Job, Report
from quantize.methods import METHODS
from quantize.methods.method import Method
from quantize.units import size

PR_SET_PDEATHSIG = 1
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
# Read when the libraries are imported. Threads sleep while they wait: spinning ones need a core each, and on a busy machine took
# 289 s for what took 21 (gptq-ct of the demo model). oneDNN and its wrapper keep 1024 compiled kernels each, one a length of
# sample: 1112 MiB instead of 554 at the peak, and no faster. No progress bars in the log.
LEAN = {"OMP_WAIT_POLICY": "PASSIVE", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16", "LRU_CACHE_CAPACITY": "16", "TQDM_DISABLE": "1"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
BESIDE = ("torch", "transformers", "safetensors")  # whose versions count beside the library's own

FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = re.compile(r"No space left on device|Disk quota exceeded|os error (28|122|27)\b")
MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory|Cannot allocate memory|std::bad_alloc", re.IGNORECASE)
UNKNOWN = re.compile(
    r"does not recognize this architecture|Unrecognized (configuration class|model)|isn't supported yet|[Uu]nsupported model"
)
LONGEST = 240  # characters of a library's own words


def main(argv: list[str], methods: Mapping[str, Method] = METHODS) -> int:
    end_with_parent()
    report = reporter(os.dup(1))
    os.dup2(2, 1)
    job = Job.from_json(Path(argv[0]).read_text(encoding="utf-8"))
    method = methods[job.method]
    os.environ.update({**OFFLINE, **QUIET, **LEAN, **dict.fromkeys(THREADS, str(job.threads))})
    try:
        settle(job)
        method.run(job, report)
        report(Event("done", versions=versions(method), peak=peak_memory()))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BaseException as error:
        traceback.print_exc()
        told = in_words(error, job, method)
        report(Event("error", error=type(told).__name__, message=told.message, peak=peak_memory()))
        return 1
    return 0


def end_with_parent() -> None:
    """Be killed when the process that started this one ends, however it ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1 and os.getpid() != 1:  # it had ended before
        os.kill(os.getpid(), signal.SIGKILL)


def reporter(descriptor: int) -> Report:
    """Writes each Event as one line. Libraries call from threads of their own."""
    lock = threading.Lock()

    def report(event: Event) -> None:
        line = f"{event.to_json()}\n".encode()
        with lock, suppress(BrokenPipeError):
            os.write(descriptor, line)

    return report


def settle(job: Job) -> None:
    """Same seed, same inputs, same bytes."""
    import torch

    seed = int(job.recipe["seed"])
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with suppress(ImportError):
        import numpy

        numpy.random.seed(seed % 2**32)


def versions(method: Method) -> dict[str, str]:
    found = {}
    for name in (method.library, *BESIDE):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def peak_memory() -> int:
    """The highest resident memory of this process so far, bytes; 0 where the system does not say."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return 0


def in_words(error: BaseException, job: Job, method: Method) -> QuantizeError:
    """The error that a user is told, in one sentence, for whatever ended the work."""
    if isinstance(error, QuantizeError):
        return error
    said = last_words(error)
    if (isinstance(error, OSError) and error.errno in FULL_NUMBERS) or FULL.search(str(error)):
        return DiskFull(f"the disk of {job.out.parent} is full: free some space there, or give --out a place on a larger disk")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError | OSError) and MEMORY.search(str(error))):
        less = "take fewer or shorter samples (--samples 64, --sequence-length 256)" if method.calibrated else "use a larger machine"
        return MethodFailed(
            f"memory ran out while {method.library} quantized {job.source.name}; {size(peak_memory())} were in use: "
            f"end other programs, or {less}"
        )
    if isinstance(error, ImportError):
        return MissingLibrary(f"{method.name} cannot load what it needs ({said}): make install-quantize")
    if isinstance(error, ValueError | TypeError | KeyError | NotImplementedError) and UNKNOWN.search(str(error)):
        return SourceError(
            f"{method.library} does not know the architecture of {job.source.name} ({said}): "
            "give a model of a known one, such as llama or qwen3, or try another --method"
        )
    return MethodFailed(f"{method.library} could not quantize {job.source.name}: {said}; the log has the rest")


def last_words(error: BaseException) -> str:
    """What a library's error says, as one line without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if re.search(r"\w", line)]
    words = lines[0] if lines else ""
    name = type(error).__name__
    return f"{name}: {words}".rstrip(".")[:LONGEST] if words else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
