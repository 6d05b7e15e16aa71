"""A batch's input checked in a process of its own: python -m server.batch.validate < JOB > FOUND, both one JSON object.

The work is one pass over up to 50,000 lines, which would hold up interactive requests in the gateway's own process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from server.batch.base import BadLine
from server.batch.lines import Limits, check
from server.batch.store.work import Range
from server.errors import RequestError, SLLMError

ROOT = Path(__file__).parents[2]

SPAN_LINES = 64  # in one range
SPAN_BYTES = 4 * 2**20  # or one line that is longer
NICE = 5


class Job(msgspec.Struct):
    path: str
    endpoint: str
    models: list[str]
    max_lines: int
    max_line: int


class Found(msgspec.Struct):
    """`errors`: code, message, line, param. `models`: the names of all lines, the most frequent first."""

    errors: list[tuple[str, str, int | None, str | None]]
    errors_total: int = 0
    models: list[str] = []
    ranges: list[tuple[int, int, int, int]] = []
    digest: str = ""
    fingerprint: tuple[int, int] = (0, 0)  # size, mtime in nanoseconds


class Check:
    """One validation. `run` in a thread, `kill` from anywhere."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.killed = False
        self.code: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> Found | None:
        """None: the process ended without a word."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-m", "server.batch.validate"], stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": path}
        ) as process:
            self._process = process
            if self.killed:
                process.kill()
            out, _ = process.communicate(msgspec.json.encode(self.job))
        self.code = process.returncode
        try:
            return msgspec.json.decode(out, type=Found)
        except msgspec.DecodeError:
            return None

    def kill(self) -> None:
        self.killed = True
        if self._process is not None:
            self._process.kill()


def examine(job: Job) -> Found:
    models = frozenset(job.models)
    limits = Limits(job.max_lines, job.max_line)
    try:
        checked = check(Path(job.path), limits, endpoint=job.endpoint, known=lambda model, url: model in models)
    except RequestError as error:
        return Found([(error.code or "invalid_file", error.message, None, error.param)], 1)
    except SLLMError as error:
        return Found([("invalid_file", error.message, None, None)], 1)
    if checked.errors_total:
        return Found([_problem(bad) for bad in checked.errors], checked.errors_total)
    ranges = list(spans(Path(job.path)))
    if sum(span.lines for span in ranges) != checked.total:
        return Found([("file_changed", "The file was changed while it was read.", None, None)], 1)
    named = sorted(checked.models, key=lambda name: -checked.models[name])
    spelled = [(span.first, span.last, span.offset, span.lines) for span in ranges]
    return Found([], 0, named, spelled, checked.digest.hex(), (checked.size, checked.mtime))


def spans(path: Path) -> Iterator[Range]:
    """The file's lines cut into ranges; blank lines are in between."""
    with path.open("rb", buffering=2**20) as file:
        first = offset = at = number = lines = 0
        for raw in file:
            number += 1
            if raw.strip() and raw != b"\xef\xbb\xbf\n":
                if lines and (lines >= SPAN_LINES or at + len(raw) - offset > SPAN_BYTES):
                    yield Range(first, number - 1, offset, lines)
                    lines = 0
                if not lines:
                    first, offset = number, at
                lines += 1
            at += len(raw)
        if lines:
            yield Range(first, number, offset, lines)


def _problem(bad: BadLine) -> tuple[str, str, int | None, str | None]:
    return bad.code, bad.message, bad.number, bad.param


def main() -> int:
    with suppress(OSError):
        os.nice(NICE)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(examine(job)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
