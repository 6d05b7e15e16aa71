"""`work/<batch id>.sqlite`: what a running batch has done, and who does what of it now.

Lines are handed out in ranges. A range is free, or leased to a worker, or done; a worker that takes over a range of a dead one
runs only those of its lines that have no result.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.batch.store.database import Database, turn
from server.batch.store.records import Counts, Usage

APPLICATION = 0x534C4D57  # "SLMW", SQLite's application_id

SCHEMA = """
create table ranges(
    first integer primary key, last integer not null, offset integer not null, lines integer not null, owner text,
    done integer not null default 0);
create index ranges_left on ranges(owner, first) where done = 0;
create table results(line integer primary key, ok integer not null, data blob not null);
create table counts(
    total integer not null, completed integer not null, failed integer not null, input integer not null, cached integer not null,
    output integer not null, reasoning integer not null);
"""


@dataclass(frozen=True, slots=True)
class Range:
    """Lines `first` to `last` of the input, of which `lines` are not blank; the first begins at byte `offset`."""

    first: int
    last: int
    offset: int
    lines: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A range, and the numbers of its lines that have a result already."""

    range: Range
    done: frozenset[int]


@dataclass(frozen=True, slots=True)
class Kept:
    """A line's result: `data` is its line in the output file (`ok`) or in the error file."""

    line: int
    ok: bool
    data: bytes
    usage: Usage


class Work:
    """For threads: everything here waits for the disk. Raises sqlite3.Error, OSError; FileNotFoundError once it is removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path, SCHEMA, APPLICATION, create=False)

    @staticmethod
    def make(path: Path, ranges: Sequence[Range]) -> None:
        """The file, whole or not at all; one that is there already stays."""
        if path.exists():
            return
        aside = path.with_name(path.name + ".aside")
        remove(aside)
        database = Database(aside, SCHEMA, APPLICATION)
        with database.write() as connection:
            connection.executemany("insert into ranges(first, last, offset, lines) values (?,?,?,?)", [_tuple(r) for r in ranges])
            connection.execute("insert into counts values (?, 0, 0, 0, 0, 0, 0)", (sum(r.lines for r in ranges),))
        database.close()  # the last one to close it writes the log into the file and removes it
        aside.rename(path)
        aside.with_name(aside.name + ".turn").unlink(missing_ok=True)

    def claim(self, owner: str) -> Lease | None:
        """The first free range, from now on `owner`'s. None: there is none."""
        with self.database.write() as connection:
            row = connection.execute(
                "select first, last, offset, lines from ranges where done = 0 and owner is null order by first limit 1"
            ).fetchone()
            if row is None:
                return None
            found = Range(*row)
            connection.execute("update ranges set owner = ? where first = ?", (owner, found.first))
            lines = connection.execute("select line from results where line between ? and ?", (found.first, found.last)).fetchall()
            return Lease(found, frozenset(line for (line,) in lines))

    def put(self, results: Sequence[Kept], done: Sequence[int]) -> Counts:
        """Results, and the `first` of the ranges that are done with them; one transaction. A line keeps its first result."""
        with self.database.write() as connection:
            for kept in results:
                fresh = connection.execute("insert or ignore into results values (?,?,?)", (kept.line, kept.ok, kept.data)).rowcount
                if fresh:
                    usage = kept.usage
                    connection.execute(
                        "update counts set completed = completed + ?, failed = failed + ?, input = input + ?, cached = cached + ?, "
                        "output = output + ?, reasoning = reasoning + ?",
                        (kept.ok, not kept.ok, usage.input, usage.cached, usage.output, usage.reasoning),
                    )
            connection.executemany("update ranges set done = 1, owner = null where first = ?", [(first,) for first in done])
            return _counts(connection)

    def release(self, owner: str) -> None:
        """The leases of `owner` are free."""
        with self.database.write() as connection:
            connection.execute("update ranges set owner = null where done = 0 and owner = ?", (owner,))

    def release_dead(self, lives: Callable[[str], bool]) -> int:
        """Free the leases of workers that are dead; how many workers hold some."""
        with self.database.read() as connection:
            rows = connection.execute("select distinct owner from ranges where done = 0 and owner is not null").fetchall()
        living = 0
        for (owner,) in rows:
            if lives(owner):
                living += 1
            else:
                self.release(owner)
        return living

    def counts(self) -> Counts:
        with self.database.read() as connection:
            return _counts(connection)

    def results(self) -> Iterator[tuple[int, bool, bytes]]:
        """All results by line number, as they stand at the first one."""
        with self.database.read() as connection:
            for line, ok, data in connection.execute("select line, ok, data from results order by line"):
                yield line, bool(ok), data

    def close(self) -> None:
        self.database.close()


def remove(path: Path) -> None:
    """The file and what SQLite and we keep beside it. Nobody opens it meanwhile, and finds a part of it missing."""
    lock = path.with_name(path.name + ".turn")
    with turn(lock):
        for end in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        lock.unlink(missing_ok=True)


def _tuple(found: Range) -> tuple[int, int, int, int]:
    return found.first, found.last, found.offset, found.lines


def _counts(connection: sqlite3.Connection) -> Counts:
    total, completed, failed, *tokens = connection.execute("select * from counts").fetchone()
    return Counts(total, completed, failed, Usage(*tokens))
