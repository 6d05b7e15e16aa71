"""The SQLite file: opened, set aside when it is broken, opened anew when somebody has taken it away.

Several processes do this at once. A lock file beside it lets one of them do it after the other; whoever holds a file that is no
longer at its path notices (`moved`) and opens what is there now.

They also write in turns (`turn`), each transaction with the checkpoint that may follow it. SQLite lets two connections do these
at the same moment, and from 3.7.0 to 3.51.2 that can damage the file (sqlite.org/wal.html, "the WAL-reset bug").
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.cache.stores import tables
from server.cache.stores.base import StoreDown
from server.sqlitefile import identity

BUSY = 0.25  # seconds that a look-up waits for another process that recovers or begins the file
BUSY_WRITING = 5.0  # seconds that the writer waits for another process's transaction
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds until a file that cannot be opened is tried again

log = logging.getLogger("sllm")


def is_broken(error: BaseException) -> bool:
    """Whether the file is not a database, or not ours, or damaged; and not just locked, full or out of reach."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
        return True
    return "no such" in str(error) or "decode to UTF-8" in str(error)  # a table is missing; a text is damaged (Python's error)


class Link:
    """One thread's connection to the file at `path`. Used by that thread only, but for `up`."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        self.path = path
        self.writes = writes
        self.up = False
        self.openings = 0  # how many times it was opened: another number, another file
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0
        self._said = False
        self._turns = -1  # descriptor of the file whose lock is a turn

    def connection(self) -> sqlite3.Connection:
        """Raises StoreDown, at once where the last try was a moment ago."""
        if self._connection is None:
            if time.monotonic() < self._retry_at:
                raise StoreDown(f"{self.path} cannot be opened")
            self._open()
        assert self._connection is not None
        return self._connection

    def failed(self, error: BaseException) -> None:
        """An operation raised `error`. A broken file is set aside, one that cannot be read is opened again."""
        code = getattr(error, "sqlite_errorcode", 0) or 0
        if is_broken(error):
            self.close()
            self._set_aside(error)
        elif code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._say(error)
        else:
            self._down(error)

    def succeeded(self) -> None:
        if self._said:
            log.warning("cache: %s is in use again", self.path)
            self._said = False

    def moved(self) -> bool:
        """Whether the path now names another file, or none; then this one is closed."""
        if self._connection is None or self._identity == identity(self.path):
            return False
        self.close()
        self._retry_at = 0.0
        return True

    def close(self) -> None:
        self.up = False
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if self._turns >= 0:
            os.close(self._turns)
            self._turns = -1

    def _open(self) -> None:
        try:
            with self._locked():
                try:
                    self._connection = self._connect()
                except sqlite3.Error as error:
                    if not is_broken(error):
                        raise
                    self._rename(error)
                    self._connection = self._connect()
                self._identity = identity(self.path)
        except (OSError, sqlite3.Error) as error:
            self._down(error)
            raise StoreDown(str(error)) from error
        self._pause = FIRST_PAUSE
        self.openings += 1
        self.up = True

    def _create(self) -> None:
        """The file, for this user alone. One that is there is not opened: to close it again would drop every lock that SQLite
        holds on it in this process (https://sqlite.org/howtocorrupt.html, 2.2)."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _connect(self) -> sqlite3.Connection:
        self._create()
        connection = sqlite3.connect(
            self.path, timeout=BUSY_WRITING if self.writes else BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            tables.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: BaseException) -> None:
        """Unless another process has done it already."""
        try:
            with self._locked():
                if self._identity == identity(self.path):
                    self._rename(error)
            self._retry_at = 0.0
        except OSError as problem:
            self._down(problem)

    def _rename(self, error: BaseException) -> None:
        """The log and the index of the write-ahead log go first: left behind, SQLite would apply them to the next file."""
        log.warning("cache: %s is broken (%s): set aside as %s, begun anew", self.path, error, self.path.name + ".broken")
        for end in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{end}", f"{self.path}.broken{end}")

    def _down(self, error: BaseException) -> None:
        self.close()
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._say(error)

    def _say(self, error: BaseException) -> None:
        if not self._said:
            log.warning("cache: %s cannot be used (%s); requests go on without it, and it is tried again", self.path, error)
            self._said = True

    @contextmanager
    def turn(self) -> Iterator[None]:
        """No other process writes meanwhile. Raises StoreDown where one does for BUSY_WRITING seconds."""
        try:
            if self._turns < 0:
                self._turns = self._open_lock(".turn")
            _wait_for(self._turns)
        except OSError as error:
            raise StoreDown(f"another process writes to {self.path}: {error}") from error
        try:
            yield
        finally:
            if self._turns >= 0:
                fcntl.flock(self._turns, fcntl.LOCK_UN)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Raises OSError where the lock cannot be had within BUSY_WRITING seconds."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._open_lock(".lock")
        try:
            _wait_for(lock)
            yield
        finally:
            os.close(lock)

    def _open_lock(self, end: str) -> int:
        return os.open(f"{self.path}{end}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for(lock: int) -> None:
    """Raises BlockingIOError after BUSY_WRITING seconds."""
    until, pause = time.monotonic() + BUSY_WRITING, 0.0005
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 0.01)
