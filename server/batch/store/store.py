"""The folder of files and batches as one thing: what a request or a worker asks of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.batch.store import work
from server.batch.store.alive import Alive
from server.batch.store.folder import Folder, share
from server.batch.store.records import Batch, File, new_id
from server.batch.store.state import State
from server.batch.store.work import Work

FOLDER = "batches"  # in data_dir
ORPHAN_AFTER = 3600.0  # seconds after which a content that no file names is an upload that never ended


class Store:
    """For threads: everything here waits for the disk. Raises sqlite3.Error, OSError. The folder is made when it is first needed."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = data_dir / FOLDER
        self.clock = clock
        self.alive = Alive(self.path / "workers")
        self.files = Folder(self.path / "files", self.alive)
        self.state = State(self.path / "state.sqlite")

    def exists(self) -> bool:
        return self.state.database.path.exists()

    def prepare(self) -> None:
        """Make the folder and say that this worker lives."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "work").mkdir(mode=0o700, exist_ok=True)
        self.files.prepare()
        self.alive.register()

    def mark(self) -> tuple[int, ...]:
        """Another one whenever something was committed to the state, by any process. Costs two system calls."""
        found: list[int] = []
        for end in ("", "-wal"):
            try:
                stat = (self.path / f"state.sqlite{end}").stat()
            except OSError:
                continue
            found += (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return tuple(found)

    def free(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(self.path if self.path.exists() else self.path.parent).free

    def work_path(self, batch_id: str) -> Path:
        return self.path / "work" / f"{batch_id}.sqlite"

    def input_path(self, batch_id: str) -> Path:
        return self.path / "work" / f"{batch_id}.jsonl"

    def work(self, batch_id: str) -> Work:
        return Work(self.work_path(batch_id))

    # files

    def file(self, file_id: str) -> File | None:
        return self.state.file(file_id, self.clock()) if self.exists() else None

    def delete_file(self, file_id: str) -> bool:
        """A batch that reads it has it under another name, and goes on."""
        if not self.exists() or not self.state.delete_file(file_id, self.clock()):
            return False
        self.files.remove(file_id)
        return True

    # batches

    def create(self, batch: Batch) -> None:
        """The batch's input is its own from now on, whatever becomes of the file."""
        self.state.add_batch(batch)
        with suppress(FileNotFoundError):  # deleted a moment ago: validating says so
            self.hold_input(batch)

    def hold_input(self, batch: Batch) -> None:
        """Raises FileNotFoundError where the input is gone."""
        path = self.input_path(batch.id)
        if not path.exists():
            share(self.files.of(batch.input_file), path)

    def cancel(self, batch_id: str) -> Batch | None:
        """None: there is nothing to cancel, or not any more."""
        now = int(self.clock())
        return self.state.change(
            batch_id, ("validating", "in_progress"), (), status="cancelling", times={"cancelling": now}, **ends("cancelled")
        )

    def drop_work(self, batch_id: str) -> None:
        """What a batch needed while it ran."""
        work.remove(self.work_path(batch_id))
        self.input_path(batch_id).unlink(missing_ok=True)

    # what has to be done now and then

    def expire(self) -> None:
        """Remove files that have expired."""
        for file_id in self.state.expire_files(self.clock()):
            self.files.remove(file_id)

    def sweep(self) -> None:
        """Remove what processes that were killed left behind."""
        self.alive.sweep()
        self.files.sweep()
        known = self.state.known_files()
        held = {found for batch in self.state.unended() for found in (batch.output_file, batch.error_file)}
        old = self.clock() - ORPHAN_AFTER
        for path in self.files.path.iterdir():
            if not path.name.startswith(".") and path.name not in known | held:
                with suppress(OSError):
                    if path.stat().st_ctime < old:
                        path.unlink()
        for name in {path.name.partition(".")[0] for path in (self.path / "work").iterdir()}:
            batch = self.state.batch(name)
            if batch is None or batch.over:
                self.drop_work(name)

    def close(self) -> None:
        self.state.close()
        self.alive.leave()


def ends(status: str) -> dict[str, Any]:
    """The changes of a batch that is to end as `status`: from now on it is known what its files will be called."""
    return {"ending": status, "owner": None, "output_file": new_id("file-"), "error_file": new_id("file-")}
