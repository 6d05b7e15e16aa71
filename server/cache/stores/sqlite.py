"""The store in one SQLite file (WAL), shared by all gateway workers of a machine.

Two threads of this process, a reader and a writer, each with a connection of its own; nothing here waits for the disk. What
other processes write and flush is noticed within 0.2 seconds (reader.py). A process that is killed leaves whole transactions.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.cache.stores import tables
from server.cache.stores.base import (
    QUESTIONS,
    QUEUED_BYTES,
    TOUCH_AGAIN,
    TOUCH_EVERY,
    Clock,
    Flushed,
    OnTheWay,
    Replaced,
    Row,
    StoreDown,
    StoreStats,
    Tally,
    Touched,
    alive,
    ignore,
)
from server.cache.stores.file import Link
from server.cache.stores.filter import KeyFilter
from server.cache.stores.reader import Answer, Changes, Reader
from server.cache.stores.writer import Done, Flush, Job, Writer

OPENING = 2.0  # seconds that `open` waits for the file's keys
STATS = 2.0  # seconds that `stats` waits for the writer
CLOSING = 5.0  # seconds that `close` waits for the writer


class SQLite:
    name = "sqlite"

    def __init__(
        self, path: Path, max_bytes: int, ttl: float, clock: Clock, touch_every: float = TOUCH_EVERY, touch_again: float = TOUCH_AGAIN
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.ttl = ttl
        self.clock = clock
        self.tally = Tally()
        self.on_flush: Flushed = ignore
        self.on_replace: Replaced = ignore
        self._filter = KeyFilter()
        self.may_have = self._filter.may_have
        self._on_the_way = OnTheWay()
        self._touched = Touched(touch_again)
        self._touch_every = touch_every
        self._closed = False
        process = secrets.randbits(62)
        self._reader = Reader(
            Link(path, writes=False), process, self._filter, self._on_the_way.rows, self._answer, self._changed, self._count_error
        )
        self._writer = Writer(Link(path, writes=True), process, max_bytes, ttl, clock, self.tally, self._finished)

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader.start()
        self._writer.start()
        await self._loop.run_in_executor(None, self._reader.opened.wait, OPENING)

    async def close(self) -> None:
        if self._closed:
            return
        self._hand_over_touched()
        self._closed = True
        self._reader.asked.put(None)
        self._writer.jobs.put(None)
        for thread in (self._reader, self._writer):
            await self._loop.run_in_executor(None, thread.join, CLOSING)

    async def ping(self) -> None:
        await self._ask(b"")

    async def get(self, key: bytes) -> Row | None:
        row = self._on_the_way.rows.get(key)
        if row is None:
            if not self._reader.link.up:
                raise StoreDown(f"{self.path} is not open")
            row = await self._ask(key)
            if row is None:
                return None
        if not alive(row, self.ttl, self.clock()):
            return None
        self.touch(key)
        return row

    def put(self, row: Row) -> None:
        if self._closed or not self._on_the_way.has_room(row.size):
            self.tally.dropped += 1
            return
        self._on_the_way.add(row)
        self._filter.add(row.key)
        self._writer.jobs.put(Job(None, row))

    def touch(self, key: bytes) -> None:
        keys = self._touched.keys
        if not keys:
            self._loop.call_later(self._touch_every, self._hand_over_touched)
        keys.add(key)

    def discard(self, key: bytes) -> None:
        self._on_the_way.rows.pop(key, None)
        self._writer.jobs.put(Job(lambda connection: tables.discard(connection, key)))

    async def flush(self, model: str | None, namespace: str | None) -> int:
        future = self._loop.create_future()
        return int(await self._written(Flush(model, namespace, self.clock(), future)))

    async def stats(self) -> StoreStats:
        def read(connection: sqlite3.Connection) -> StoreStats:
            groups = tables.groups(connection)
            entries = sum(group.entries for group in groups)
            return self._stats(True, entries, tables.used_bytes(connection), groups, tables.question_count(connection))

        try:
            async with asyncio.timeout(STATS):
                found: StoreStats = await self._written(Job(read, future=self._loop.create_future()))
        except (StoreDown, TimeoutError):
            return self._stats(False)
        return found

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None:
        if self._on_the_way.bytes + len(data) > QUEUED_BYTES:
            self.tally.dropped += 1
            return
        self._writer.jobs.put(Job(lambda connection: tables.put_question(connection, partition, key, data)))

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]:
        future = self._loop.create_future()
        job = Job(lambda connection: tables.questions(connection, partition, after, QUESTIONS), future=future)
        found: list[tuple[int, bytes, bytes]] = await self._written(job)
        return found

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]:
        future = self._loop.create_future()
        totals: dict[str, int] = await self._written(Job(lambda c: tables.add_counts(c, name, counts), future=future))
        return totals

    # in the event loop

    async def _ask(self, key: bytes) -> Row | None:
        future: asyncio.Future[Row | None] = self._loop.create_future()
        self._reader.asked.put((key, future))
        return await future

    async def _written(self, job: Job) -> Any:
        if self._closed:
            raise StoreDown(f"{self.path} is closed")
        self._writer.jobs.put(job)
        return await job.future  # type: ignore[misc]

    def _hand_over_touched(self) -> None:
        now = self.clock()
        keys = self._touched.take(now)
        if keys and not self._closed:
            self._writer.jobs.put(Job(lambda connection: tables.touch(connection, keys, now)))

    def _stats(self, up: bool, entries: int = 0, size: int = 0, groups: Any = (), questions: int = 0) -> StoreStats:
        tally = self.tally
        return StoreStats(
            self.name, up, entries, size, self.max_bytes, groups, questions, tally.evicted, tally.expired, tally.dropped, tally.errors
        )

    def _settle_rows(self, rows: Sequence[Row], outcomes: Sequence[Done]) -> None:
        for row in rows:
            self._on_the_way.over(row)
        _settle(outcomes)

    def _notice(self, changes: Changes) -> None:
        for model, namespace in changes.flushes:
            self.on_flush(model, namespace)
        if changes.keys:
            self.on_replace(changes.keys)

    # in the threads

    def _answer(self, answers: list[Answer]) -> None:
        self._call(_settle, answers)

    def _finished(self, rows: Sequence[Row], outcomes: Sequence[Done]) -> None:
        self._call(self._settle_rows, rows, outcomes)

    def _changed(self, changes: Changes) -> None:
        self._call(self._notice, changes)

    def _count_error(self) -> None:
        self.tally.errors += 1

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(function, *args)


def _settle(outcomes: Sequence[Done] | list[Answer]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, StoreDown):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
