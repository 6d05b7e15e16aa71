"""Who is alive: each worker holds a lock on a file of its own for as long as it lives.

The kernel lets the lock go when the process ends, however it ends, so a dead worker's leases are free at once.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from server.batch.store.database import turn


class Alive:
    """`id` is this worker's, from `register` on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._lock = -1
        self._registering = threading.Lock()

    def register(self) -> None:
        """Say that this worker lives. Raises OSError."""
        with self._registering:  # a second lock of this process would wait for the first
            if self._lock >= 0:
                return
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with turn(self.folder / ".turn"):  # else somebody may see the file before its lock
                lock = os.open(self.folder / self.id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._lock = lock

    def lives(self, owner: str) -> bool:
        """Whether the worker `owner` is alive."""
        if owner == self.id:
            return self._lock >= 0
        try:
            lock = os.open(self.folder / owner, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def sweep(self) -> None:
        """Forget the dead."""
        with suppress(OSError), turn(self.folder / ".turn"):
            for path in self.folder.iterdir():
                if path.name != ".turn" and not self.lives(path.name):
                    path.unlink(missing_ok=True)

    def leave(self) -> None:
        """This worker ends; whatever it holds is free from now on."""
        if self._lock >= 0:
            with suppress(OSError):
                (self.folder / self.id).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1
