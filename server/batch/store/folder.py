"""What files hold: one plain file each, written aside and renamed when it is whole."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from server.batch.store.alive import Alive

ASIDE = ".aside-"  # then the worker's id, so that what a dead one left is known


class Aside:
    """A file that is being written. It is gone unless `keep` was called. Use with `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file = open(path, "xb", buffering=2**18, opener=_private)  # noqa: SIM115

    def write(self, data: bytes | memoryview) -> None:
        """Raises OSError."""
        self._file.write(data)
        self.size += len(data)

    def keep(self, path: Path) -> None:
        """Onto the disk, and to its place. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.rename(self.path, path)
        sync_folder(path.parent)

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


class Folder:
    """`files/`: contents by file id."""

    def __init__(self, path: Path, alive: Alive) -> None:
        self.path = path
        self.alive = alive

    def prepare(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def of(self, file_id: str) -> Path:
        return self.path / file_id

    def aside(self) -> Aside:
        """Raises OSError."""
        self.prepare()
        return Aside(self.path / f"{ASIDE}{self.alive.id}.{secrets.token_hex(6)}")

    def remove(self, file_id: str) -> None:
        self.of(file_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what dead workers were writing."""
        with suppress(OSError):
            for path in self.path.glob(f"{ASIDE}*"):
                owner = path.name.removeprefix(ASIDE).rpartition(".")[0]
                if not self.alive.lives(owner):
                    path.unlink(missing_ok=True)


def share(source: Path, goal: Path) -> None:
    """`goal` holds what `source` does, whatever becomes of `source`'s name: a second name, or a copy where that cannot be."""
    goal.unlink(missing_ok=True)
    try:
        os.link(source, goal)
    except FileNotFoundError:
        raise
    except OSError:
        aside = goal.with_name(goal.name + ".aside")
        shutil.copyfile(source, aside)
        os.rename(aside, goal)
    sync_folder(goal.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
