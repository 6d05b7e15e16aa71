"""The thread that writes the SQLite file: rows in batches, each one transaction; and it keeps the bounds in bytes and time."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from server.cache.stores import tables
from server.cache.stores.base import Clock, Row, StoreDown, Tally
from server.cache.stores.file import Link
from server.sqlitefile import transaction

LINGER = 0.01  # seconds that rows are gathered before they are written
MOST_JOBS = 2000  # in one transaction
MOST_BYTES = 8 * 2**20  # of values in one transaction, or an eighth of the store
HOUSEKEEPING = 1.0  # seconds
REMOVED_AT_ONCE = 500  # rows in one transaction that expire or are flushed
RETURNED = 1000  # pages given back to the disk after a flush of a part
LARGEST_SHARE = 4  # a row above a quarter of the store is not kept

Done = tuple["asyncio.Future[Any]", Any]  # the outcome, or a StoreDown


class Job:
    """Something to write. `row` is set for those that put one; `future` hears how it went."""

    __slots__ = ("future", "row", "work")

    def __init__(
        self, work: Callable[[sqlite3.Connection], Any] | None, row: Row | None = None, future: asyncio.Future[Any] | None = None
    ) -> None:
        self.work = work
        self.row = row
        self.future = future


class Flush(Job):
    """Written in transactions of its own, so that a large one does not keep other processes from writing."""

    __slots__ = ("at", "model", "namespace")

    def __init__(self, model: str | None, namespace: str | None, at: float, future: asyncio.Future[Any]) -> None:
        super().__init__(None, None, future)
        self.model, self.namespace, self.at = model, namespace, at


class Writer(threading.Thread):
    """`finished` is called in this thread, with the rows that are no longer on their way and the outcomes."""

    def __init__(
        self,
        link: Link,
        writer_id: int,
        max_bytes: int,
        ttl: float,
        clock: Clock,
        tally: Tally,
        finished: Callable[[Sequence[Row], Sequence[Done]], None],
    ) -> None:
        super().__init__(name="cache writer", daemon=True)
        self.link = link
        self.writer_id = writer_id
        self.max_bytes = max_bytes
        self.ttl = ttl
        self.clock = clock
        self.tally = tally
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._finished = finished
        self._most_bytes = min(MOST_BYTES, max_bytes // 8)
        self._keep_house_at = 0.0

    def run(self) -> None:
        while True:
            batch, more = self._gather()
            if batch:
                self._write(batch)
            if not more:
                break
            if time.monotonic() >= self._keep_house_at:
                self._keep_house()
                self._keep_house_at = time.monotonic() + HOUSEKEEPING
        with suppress(StoreDown, sqlite3.Error):
            connection = self.link.connection()
            with self.link.turn():
                connection.execute("pragma wal_checkpoint(passive)")
        self.link.close()

    def _gather(self) -> tuple[list[Job], bool]:
        """What there is to write, waiting for the first; False: it is over after these."""
        batch: list[Job] = []
        size, until = 0, 0.0
        while len(batch) < MOST_JOBS and size < self._most_bytes:
            wait = max(0.0, until - time.monotonic()) if batch else max(0.0, self._keep_house_at - time.monotonic())
            try:
                job = self.jobs.get(timeout=wait)
            except queue.Empty:
                break
            if job is None:
                return batch, False
            batch.append(job)
            if job.row is not None:
                size += len(job.row.value)
            if job.future is not None:  # somebody waits
                break
            until = until or time.monotonic() + LINGER
        return batch, True

    def _write(self, batch: Sequence[Job]) -> None:
        rows = [job.row for job in batch if job.row is not None]
        waiting = [job for job in batch if job.future is not None]
        outcomes: list[Done] = []
        try:
            connection = self._connection()
            plain = [job for job in batch if not isinstance(job, Flush)]
            if plain:
                with _transaction(self.link, connection):
                    results = self._do(connection, plain, rows)
                outcomes += [(job.future, result) for job, result in zip(plain, results, strict=True) if job.future is not None]
            for job in batch:
                if isinstance(job, Flush) and job.future is not None:
                    outcomes.append((job.future, self._flush(connection, job)))
        except Exception as error:  # whatever it is, the thread must go on
            if not isinstance(error, StoreDown):
                self.tally.errors += 1
                self.link.failed(error)
            self.tally.dropped += len(rows)
            down = StoreDown(str(error))
            outcomes = [(job.future, down) for job in waiting if job.future is not None]
        else:
            self.link.succeeded()
        self._finished(rows, outcomes)

    def _do(self, connection: sqlite3.Connection, jobs: Sequence[Job], rows: Sequence[Row]) -> list[Any]:
        now = self.clock()
        flushes = tables.flushes_since(connection, min(row.created for row in rows)) if rows else []
        room = sum(len(row.value) + tables.ROW_ROOM for row in rows)
        if room:
            self.tally.evicted += tables.evict(connection, self.max_bytes, room)
        results: list[Any] = []
        ready: list[tuple[Row, float]] = []
        for job in jobs:
            if job.row is not None and (expires := self._expires(job.row, now, flushes)) is not None:
                ready.append((job.row, expires))
            if job.work is not None and ready:  # it may be about a row before it
                tables.put(connection, ready, now, self.writer_id)
                ready = []
            results.append(job.work(connection) if job.work is not None else None)
        if ready:
            tables.put(connection, ready, now, self.writer_id)
        if room:  # pages are larger than rows
            self.tally.evicted += tables.evict(connection, self.max_bytes, 0)
        return results

    def _expires(self, row: Row, now: float, flushes: Sequence[tuple[str | None, str | None, float]]) -> float | None:
        """When `row` expires; None where it is not to be kept."""
        expires = min(row.expires, row.created + self.ttl)
        if len(row.value) > self.max_bytes // LARGEST_SHARE or any(
            model in (None, row.model) and namespace in (None, row.namespace) and row.created < at for model, namespace, at in flushes
        ):
            self.tally.dropped += 1
            return None
        return expires if expires > now else None

    def _flush(self, connection: sqlite3.Connection, job: Flush) -> int:
        with _transaction(self.link, connection):
            last = tables.note_flush(connection, job.model, job.namespace, job.at, self.writer_id)
            count = removed = tables.flush(connection, job.model, job.namespace, last, REMOVED_AT_ONCE)
        while removed and not (job.model is None and job.namespace is None):
            with _transaction(self.link, connection):
                removed = tables.flush(connection, job.model, job.namespace, last, REMOVED_AT_ONCE)
            count += removed
        all_of_it = job.model is None and job.namespace is None  # free pages among used ones are used again; moving them costs
        with self.link.turn():
            connection.execute(f"pragma incremental_vacuum({0 if all_of_it else RETURNED})").fetchall()  # the disk gets its space back
        return count

    def _keep_house(self) -> None:
        try:
            connection = self._connection()
            while tables.has_expired(connection, self.clock()):
                with _transaction(self.link, connection):
                    self.tally.expired += tables.expire(connection, self.clock(), REMOVED_AT_ONCE)
        except StoreDown:
            pass
        except Exception as error:
            self.tally.errors += 1
            self.link.failed(error)

    def _connection(self) -> sqlite3.Connection:
        self.link.moved()
        return self.link.connection()


@contextmanager
def _transaction(link: Link, connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction, and the checkpoint that its commit may bring: other processes' writers wait.

    Rolled back when anything is raised.
    """
    with link.turn(), transaction(connection):
        yield
