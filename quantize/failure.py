"""Why a step of the work ended without its result: one sentence, from what it said, how it ended, and the end of its log."""

from __future__ import annotations

import errno
import re
import signal
from pathlib import Path

from quantize import errors
from quantize.children import Memory
from quantize.errors import DiskFull, MethodFailed, QuantizeError
from quantize.units import size

FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large|os error (28|27|122)\b|Errno (28|27|122)\b")
FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOISE = re.compile(r"\d+%\||it/s|s/it|^\s*[\^~]+\s*$|^\s*warnings\.warn")
ENDED = (signal.SIGKILL, signal.SIGTERM)
TAIL = 2**14  # bytes of the log in which its last line is looked for
LONGEST = 240  # characters of a line that is quoted


def of(step: str, status: int, said: tuple[str, str] | None, log: Path, start: int, need: int, memory: Memory, free: int) -> QuantizeError:
    """The error of a `step` that ended with `status`, having said (class, sentence) or nothing.

    Its part of `log` begins at byte `start`; `need` bytes of disk were foreseen, and `free` bytes of memory were there.
    """
    line = last_line(log, start)
    if (said and (said[0] == "DiskFull" or FULL.search(said[1]))) or FULL.search(line):
        return full(log.parent, need)
    if said and isinstance(kind := getattr(errors, said[0], None), type) and issubclass(kind, QuantizeError):
        return kind(said[1])
    if status == -signal.SIGKILL:
        return MethodFailed(
            f"{step} was killed, most likely because memory ran out: it used {size(memory.peak)}, and {size(free)} were free "
            "when it began; end other programs, take fewer or shorter samples (--samples 64, --sequence-length 256) or another --method"
        )
    ended = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"
    quoted = said[1] if said else line
    return MethodFailed(f"{step} ended {ended}: {quoted or 'it said nothing'}")


def full(folder: Path, need: int) -> DiskFull:
    return DiskFull(
        f"the disk of {folder} filled up: about {size(need)} are needed there; free some, or give --out a place on a larger disk"
    )


def last_line(log: Path, start: int = 0) -> str:
    """The last line after byte `start` of `log` that says something: no progress bar, no empty line. Cut to LONGEST characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = (re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", line).strip() for line in re.split(r"[\r\n]", text))
    return next((line[:LONGEST] for line in reversed(list(lines)) if re.search(r"\w", line) and not NOISE.search(line)), "")
