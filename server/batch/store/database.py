"""One SQLite file that several processes and threads write to, in turns.

WAL with synchronous=FULL: what is committed survives SIGKILL and a power cut. Writing, checkpoints, opening and closing happen in
turns (a lock beside the file), since two connections that write and checkpoint at one moment can damage a file up to SQLite
3.51.2 (sqlite.org/wal.html, "the WAL-reset bug").

The file is opened by nobody but SQLite: closing any other descriptor of it would drop the locks of this process's connections
(sqlite.org/howtocorrupt.html, 2.2), and another process would then take the log away as if nobody used it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.sqlitefile import identity, transaction

VERSION = 1
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE)


class Database:
    """One connection, for any thread, one at a time. Opened when it is first used, and anew where the file was taken away."""

    def __init__(self, path: Path, schema: str, application: int, *, create: bool = True) -> None:
        """`application` is SQLite's application_id. Without `create` a missing file is a FileNotFoundError."""
        self.path = path
        self.schema = schema
        self.application = application
        self.create = create
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, rolled back when anything is raised. Raises sqlite3.Error, OSError."""
        with self._lock, self._turn():
            connection = self._open()
            with transaction(connection):
                yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Nobody is waited for, but for the first time. Raises sqlite3.Error, OSError."""
        with self._lock:
            if self._connection is None or self._identity != identity(self.path):
                with self._turn():
                    self._open()
            assert self._connection is not None
            yield self._connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                if self._identity == identity(self.path):
                    with self._turn():
                        self._connection.close()
                else:
                    self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._identity == identity(self.path):
                return self._connection
            self._connection.close()
            self._connection = None
        if not self.create and not self.path.exists():
            raise FileNotFoundError(str(self.path))
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._identity = identity(self.path)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        one = connection.execute
        new = not one("select count(*) from sqlite_master").fetchone()[0]
        found = one("pragma application_id").fetchone()[0], one("pragma user_version").fetchone()[0]
        if not new and found != (self.application, VERSION):
            raise sqlite3.DatabaseError(f"{self.path} is of another version of this program, or no file of its own")
        one("pragma journal_mode = wal")
        one("pragma synchronous = full")
        one("pragma journal_size_limit = 16777216")
        one("pragma temp_store = memory")
        if new:
            marks = f"pragma application_id = {self.application}; pragma user_version = {VERSION};"
            connection.executescript(f"begin immediate; {self.schema} {marks} commit;")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.create and not self.path.exists():
            raise FileNotFoundError(str(self.path))
        with turn(self.path.with_name(self.path.name + ".turn")):
            yield


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the lock on the file `path`: of all processes, one at a time."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def is_passing(error: BaseException) -> bool:
    """Whether waiting may cure it: the disk is full, or cannot be written to at the moment."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN)
    return isinstance(error, OSError) and error.errno in _PASSING
