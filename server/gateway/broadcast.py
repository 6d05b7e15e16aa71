"""Flushes told from worker to worker, where no store does it (`cache.store: memory`): a file in the stack's private folder.

Each flush appends one line; every worker reads the new lines at its next tick.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class Broadcast:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.me = os.getpid()
        self.read = _size(file)  # what was flushed before this worker began is no business of its

    def tell(self, model: str | None, namespace: str | None) -> None:
        line = json.dumps([self.me, model, namespace]).encode() + b"\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)  # one write: lines of several workers do not mix
        finally:
            os.close(descriptor)

    def heard(self) -> list[tuple[str | None, str | None]]:
        """(model, namespace) of each flush that another worker has told since the last call."""
        if _size(self.file) <= self.read:
            return []
        with self.file.open("rb") as lines:
            lines.seek(self.read)
            new = lines.read()
        new = new[: new.rfind(b"\n") + 1]
        self.read += len(new)
        told = [json.loads(line) for line in new.splitlines()]
        return [(model, namespace) for pid, model, namespace in told if pid != self.me]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
