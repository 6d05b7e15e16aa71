"""The thread that reads the SQLite file: look-ups, and what other processes have changed.

All keys that wait are looked up in one statement, and all answers handed over in one call: waking the event loop, and the
interpreter's lock, cost more than SQLite does.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence

from server.cache.stores import tables
from server.cache.stores.base import Row, StoreDown
from server.cache.stores.file import Link
from server.cache.stores.filter import KeyFilter

MOST_KEYS = 64  # in one statement
NOTICE = 0.1  # seconds between looks at what others have changed
LOADED_AT_ONCE = 5000  # keys; between these look-ups are answered

log = logging.getLogger("sllm")

Asked = tuple[bytes, "asyncio.Future[Row | None]"]
Answer = tuple["asyncio.Future[Row | None]", Row | StoreDown | None]


class Changes:
    """What other processes have changed since the last look. `flushes`: (model, namespace)."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.flushes: list[tuple[str | None, str | None]] = []


class Reader(threading.Thread):
    """`answer` and `changed` are called in this thread."""

    def __init__(
        self,
        link: Link,
        writer_id: int,
        filter: KeyFilter,
        on_the_way: Collection[bytes],
        answer: Callable[[list[Answer]], None],
        changed: Callable[[Changes], None],
        count_error: Callable[[], None],
    ) -> None:
        super().__init__(name="cache reader", daemon=True)
        self.link = link
        self.writer_id = writer_id
        self.filter = filter
        self.asked: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self.opened = threading.Event()  # the first try to open the file is over
        self._on_the_way = on_the_way  # keys that this process has put, not written yet
        self._answer = answer
        self._changed = changed
        self._count_error = count_error
        self._version = -1  # SQLite's data_version: another number, another process has written
        self._openings = 0
        self._entry = self._flush = 0  # the last ids seen
        self._notice_at = 0.0

    def run(self) -> None:
        while self._round():
            pass
        self.link.close()

    def _round(self) -> bool:
        """Wait for keys, look them up; now and then look what others have changed. False: it is over."""
        try:
            first = self.asked.get(timeout=max(0.0, self._notice_at - time.monotonic()))
        except queue.Empty:
            pass
        else:
            if first is None or not self._look_up(first):
                return False
        if time.monotonic() >= self._notice_at:
            try:
                self._notice()
            except Exception:
                log.exception("cache: %s", self.link.path)
                self._count_error()
            self.opened.set()
            self._notice_at = time.monotonic() + NOTICE
        return True

    def _look_up(self, first: Asked) -> bool:
        """`first` and all that wait beside it. False: the end was among them."""
        batch, more = [first], True
        while more and len(batch) < MOST_KEYS:
            try:
                next_one = self.asked.get_nowait()
            except queue.Empty:
                break
            if next_one is None:
                more = False
            else:
                batch.append(next_one)
        batch = [asked for asked in batch if not asked[1].done()]  # not those that have given up
        if batch:
            self._answer(self._rows(batch))
        return more

    def _rows(self, batch: Sequence[Asked]) -> list[Answer]:
        try:
            rows = {row.key: row for row in tables.look_up(self.link.connection(), [key for key, _ in batch])}
        except StoreDown as error:
            return [(future, error) for _, future in batch]
        except Exception as error:  # the thread must go on: others wait
            self._count_error()
            self.link.failed(error)
            down = StoreDown(str(error))
            return [(future, down) for _, future in batch]
        return [(future, rows.get(key)) for key, future in batch]

    def _notice(self) -> None:
        link = self.link
        try:
            if link.moved():
                self._changed_wholly()
            connection = link.connection()
            if link.openings != self._openings:
                self._begin(connection)
                link.succeeded()
            version = connection.execute("pragma data_version").fetchone()[0]
            if version != self._version:
                self._version = version
                self._read_changes(connection)
            if self.filter.crowded:
                self._build(connection)
        except StoreDown:
            pass
        except sqlite3.Error as error:
            self._count_error()
            link.failed(error)

    def _begin(self, connection: sqlite3.Connection) -> None:
        """A file just opened: all its keys are news, its flushes are history."""
        if self._openings:
            self._changed_wholly()
        self._flush = tables.last_flush(connection)
        self._entry = tables.last_entry(connection)
        self._build(connection)
        self._openings = self.link.openings

    def _build(self, connection: sqlite3.Connection) -> None:
        self.filter.begin(tables.entry_count(connection), self._on_the_way)
        last = b""
        while keys := tables.keys_after(connection, last, LOADED_AT_ONCE):
            for key in keys:
                self.filter.load(key)
            last = keys[-1]
            if not self.asked.empty():
                self._look_up_waiting()
        self.filter.finish()

    def _look_up_waiting(self) -> None:
        asked = self.asked.get()
        if asked is None or not self._look_up(asked):
            self.asked.put(None)  # for the loop, which ends then

    def _read_changes(self, connection: sqlite3.Connection) -> None:
        changes = Changes()
        for number, key, writer in tables.entries_after(connection, self._entry):
            self._entry = number
            if writer != self.writer_id:
                self.filter.add(key)
                changes.keys.append(key)
        for number, model, namespace, writer in tables.flushes_after(connection, self._flush):
            if number > self._flush + 1:  # some are forgotten already
                changes.flushes.append((None, None))
            self._flush = number
            if writer != self.writer_id:
                changes.flushes.append((model, namespace))
        if changes.keys or changes.flushes:
            self._changed(changes)

    def _changed_wholly(self) -> None:
        changes = Changes()
        changes.flushes.append((None, None))
        self._changed(changes)
