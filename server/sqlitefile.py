"""What everybody does who shares an SQLite file with other processes: the cache's stores, and batch work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction of a connection in autocommit mode; rolled back when anything is raised. Raises sqlite3.Error."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("rollback")
        raise


def identity(path: Path) -> tuple[int, int]:
    """Device and inode of the file at `path`, by which one that took its place is told; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
