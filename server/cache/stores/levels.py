"""The memory of this worker in front, the store of all workers behind: what the gateway uses.

A store that is down, or takes longer than `deadline` seconds, is a miss that is counted: never an error, never a longer wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from server.cache.stores.base import Clock, Row, Store, StoreDown, StoreStats
from server.cache.stores.breaker import Breaker
from server.cache.stores.memory import Memory, MemoryStore
from server.errors import ConfigError

DEADLINE = 0.05  # seconds
MEMORY = 64 * 2**20  # bytes
PING_DEADLINE = 1.0  # seconds


class Counters:
    """What look-ups came to, since this worker began. Read by the metrics."""

    def __init__(self) -> None:
        self.memory_hits = 0
        self.store_hits = 0
        self.misses = 0  # asked of the store, and it had none
        self.slow = 0  # misses because the store took longer than the deadline
        self.down = 0  # misses because the store was down, or not asked since it had been


def _never(key: bytes) -> bool:
    return False


class Levels:
    """`store` may be a MemoryStore, which then is its own front."""

    def __init__(self, store: Store, memory: Memory, deadline: float = DEADLINE) -> None:
        self.store = store
        self.memory = memory
        self.deadline = deadline
        self.counters = Counters()
        self._alone = isinstance(store, MemoryStore) and store.memory is memory
        self._rows = memory.rows
        # Whether `get` is worth waiting for, where `get_now` had nothing.
        self.may_have: Callable[[bytes], bool] = _never if self._alone else store.may_have
        self._epoch = 0  # rises with every flush: what was read before one is not kept after it
        self._ping: asyncio.Task[None] | None = None
        self._breaker = Breaker(lambda seconds, then: asyncio.get_running_loop().call_later(seconds, then), self._start_ping)
        store.on_flush = self._flushed_elsewhere
        store.on_replace = self._replaced_elsewhere

    async def open(self) -> None:
        await self.store.open()

    async def close(self) -> None:
        if self._ping is not None:
            self._ping.cancel()
            await asyncio.gather(self._ping, return_exceptions=True)
        await self.store.close()

    def get_now(self, key: bytes) -> Row | None:
        """The row, if this worker's memory has it."""
        if key not in self._rows:
            return None
        row = self.memory.get(key)
        if row is not None:
            self.counters.memory_hits += 1
            if not self._alone:
                self.store.touch(key)
        return row

    async def get(self, key: bytes) -> Row | None:
        """The row from memory or else from the store; None also where the store is slow or down. Never raises."""
        row = self.get_now(key)
        if row is not None or self._alone:
            return row
        if not self.store.may_have(key):
            self.counters.misses += 1
            return None
        if self._breaker.open:
            self.counters.down += 1
            return None
        epoch = self._epoch
        try:
            async with asyncio.timeout(self.deadline):
                row = await self.store.get(key)
        except TimeoutError:
            self.counters.slow += 1
            self._breaker.failed()
            return None
        except StoreDown:
            self.counters.down += 1
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        if row is None:
            self.counters.misses += 1
            return None
        self.counters.store_hits += 1
        if epoch == self._epoch:
            self.memory.put(row)
        return row

    def put(self, row: Row) -> None:
        """Returns at once."""
        self.memory.put(row)
        if not self._alone:
            self.store.put(row)

    def discard(self, key: bytes) -> None:
        """Forget a row whose bytes were not what was written."""
        self.memory.discard(key)
        if not self._alone:
            self.store.discard(key)

    async def flush(self, model: str | None = None, namespace: str | None = None) -> int:
        """Remove rows from this worker's memory and from the store; other workers notice. How many the store had.

        Raises StoreDown: then only this worker's memory has forgotten them.
        """
        self._epoch += 1
        count = self.memory.flush(model, namespace)
        if self._alone:
            return count
        count = await self.store.flush(model, namespace)
        self._flushed_elsewhere(model, namespace)  # what was read meanwhile
        return count

    async def stats(self) -> StoreStats:
        return await self.store.stats()

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None:
        self.store.put_question(partition, key, data, model, namespace)

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]:
        return await self.store.questions(partition, after)

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]:
        return await self.store.add_counts(name, counts)

    def _flushed_elsewhere(self, model: str | None, namespace: str | None) -> None:
        self._epoch += 1
        self.memory.flush(model, namespace)

    def _replaced_elsewhere(self, keys: Sequence[bytes]) -> None:
        self._epoch += 1
        for key in keys:
            self.memory.discard(key)

    def _start_ping(self) -> None:
        self._ping = asyncio.get_running_loop().create_task(self._try_again())

    async def _try_again(self) -> None:
        try:
            async with asyncio.timeout(PING_DEADLINE):
                await self.store.ping()
        except (StoreDown, TimeoutError):
            self._breaker.ping_failed()
        else:
            self._breaker.ping_succeeded()


def open_store(
    url: str, data_dir: Path, max_bytes: int, ttl: float, clock: Clock, memory: int = MEMORY, deadline: float = DEADLINE
) -> Levels:
    """The levels for `cache.store`: memory, sqlite, or the address of a Valkey or Redis server. Nothing is opened yet.

    `max_bytes` bounds the store, `memory` (bytes) what each worker keeps in front of it; `ttl` and `deadline` are in seconds.
    Raises ConfigError for a `url` that names no store.
    """
    if url == "memory":
        alone = MemoryStore(memory, ttl, clock)
        return Levels(alone, alone.memory, deadline)
    front = Memory(memory, ttl, clock)
    if url == "sqlite":
        from server.cache.stores.sqlite import SQLite

        return Levels(SQLite(data_dir / "cache.db", max_bytes, ttl, clock), front, deadline)
    if "://" in url:
        from server.cache.stores.valkey import Valkey

        return Levels(Valkey(url, max_bytes, ttl, clock), front, deadline)
    raise ConfigError(f"cache.store: '{url}' is no store: write sqlite, memory, off, valkey://host:6379/0 or redis://host:6379/0")
