"""Rows in this process's memory: in front of a store, or as the only one (`cache.store: memory`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from server.cache.stores.base import (
    QUESTIONS,
    ROW_OVERHEAD,
    Clock,
    Flushed,
    Group,
    Replaced,
    Row,
    StoreStats,
    Tally,
    alive,
    ignore,
    matches,
)


class Memory:
    """Bounded in bytes; the least recently used row goes first. `ttl` is in seconds.

    `on_removed` hears of every key that is gone, whether evicted, expired, forgotten or flushed.
    """

    def __init__(self, max_bytes: int, ttl: float, clock: Clock, on_removed: Callable[[bytes], object] = ignore) -> None:
        self.max_bytes = max_bytes
        self.ttl = ttl
        self.clock = clock
        self.on_removed = on_removed
        self.bytes = 0
        self.tally = Tally()
        self.rows: OrderedDict[bytes, Row] = OrderedDict()
        self._charged: dict[bytes, int] = {}  # key -> bytes that something else holds for it

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: bytes) -> bool:
        return key in self.rows

    def get(self, key: bytes) -> Row | None:
        row = self.rows.get(key)
        if row is None:
            return None
        now = self.clock()
        if now >= row.expires or now >= row.created + self.ttl:
            self._remove(row)
            self.tally.expired += 1
            return None
        self.rows.move_to_end(key)
        return row

    def put(self, row: Row) -> None:
        """A row larger than the whole is not kept, and what was under its key is gone."""
        key, size = row.key, row.size
        if size > self.max_bytes:
            self.tally.dropped += 1
            self.discard(key)
            return
        old = self.rows.pop(key, None)
        if old is not None:
            self.bytes -= old.size
        self.rows[key] = row
        self.bytes += size
        self._shrink()

    def charge(self, key: bytes, size: int) -> None:
        """Count `size` more bytes as long as the row under `key` is kept."""
        self._charged[key] = self._charged.get(key, 0) + size
        self.bytes += size
        self._shrink()

    def discard(self, key: bytes) -> None:
        row = self.rows.get(key)
        if row is not None:
            self._remove(row)

    def flush(self, model: str | None, namespace: str | None) -> int:
        gone = [row for row in self.rows.values() if matches(row, model, namespace)]
        for row in gone:
            self._remove(row)
        return len(gone)

    def expire(self) -> None:
        """Remove what is past its time though nobody asked for it."""
        now = self.clock()
        for row in [row for row in self.rows.values() if not alive(row, self.ttl, now)]:
            self._remove(row)
            self.tally.expired += 1

    def groups(self) -> tuple[Group, ...]:
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for row in self.rows.values():
            entries, size = sums.get((row.model, row.namespace), (0, 0))
            sums[row.model, row.namespace] = (entries + 1, size + row.size)
        return tuple(Group(*name, *total) for name, total in sorted(sums.items()))

    def _shrink(self) -> None:
        while self.bytes > self.max_bytes:
            self._remove(next(iter(self.rows.values())))
            self.tally.evicted += 1

    def _remove(self, row: Row) -> None:
        del self.rows[row.key]
        self.bytes -= row.size + self._charged.pop(row.key, 0)
        self.on_removed(row.key)


class MemoryStore:
    """Memory as a store: nothing is shared with other workers, nothing outlives the process."""

    name = "memory"

    def __init__(self, max_bytes: int, ttl: float, clock: Clock) -> None:
        self.memory = Memory(max_bytes, ttl, clock, self._forget)
        self.tally = self.memory.tally
        self.on_flush: Flushed = ignore
        self.on_replace: Replaced = ignore
        self._questions: dict[bytes, dict[bytes, tuple[int, bytes]]] = {}  # partition -> key -> cursor, data
        self._partitions: dict[bytes, set[bytes]] = {}  # key -> partitions
        self._counts: dict[bytes, dict[str, int]] = {}
        self._cursor = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ping(self) -> None: ...

    def may_have(self, key: bytes) -> bool:
        return key in self.memory

    async def get(self, key: bytes) -> Row | None:
        return self.memory.get(key)

    def put(self, row: Row) -> None:
        self.memory.put(row)

    def touch(self, key: bytes) -> None:
        self.memory.get(key)

    def discard(self, key: bytes) -> None:
        self.memory.discard(key)

    async def flush(self, model: str | None, namespace: str | None) -> int:
        return self.memory.flush(model, namespace)

    async def stats(self) -> StoreStats:
        self.memory.expire()
        memory, tally = self.memory, self.tally
        return StoreStats(
            self.name, True, len(memory), memory.bytes, memory.max_bytes, memory.groups(), sum(map(len, self._questions.values())),
            tally.evicted, tally.expired, tally.dropped, tally.errors,
        )  # fmt: skip

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None:
        if key in self.memory:
            self._cursor += 1
            of_partition = self._questions.setdefault(partition, {})
            of_partition.pop(key, None)  # its cursor is the newest: it goes last
            of_partition[key] = (self._cursor, data)
            self._partitions.setdefault(key, set()).add(partition)
            self.memory.charge(key, len(partition) + len(data) + ROW_OVERHEAD)

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]:
        found = self._questions.get(partition, {})
        return [(cursor, key, data) for key, (cursor, data) in found.items() if cursor > after][:QUESTIONS]

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]:
        totals = self._counts.setdefault(name, {})
        for field, count in counts.items():
            totals[field] = totals.get(field, 0) + count
        return dict(totals)

    def _forget(self, key: bytes) -> None:
        for partition in self._partitions.pop(key, ()):
            of_partition = self._questions[partition]
            del of_partition[key]
            if not of_partition:
                del self._questions[partition]
