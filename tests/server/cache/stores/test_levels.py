"""The memory in front of a store that is scripted: slow, down, late."""

# ruff: noqa: ASYNC240 - a test may wait for its files

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.cache.stores.base import Row, StoreDown
from server.cache.stores.breaker import FAILURES
from server.cache.stores.levels import Levels, open_store
from server.cache.stores.memory import Memory, MemoryStore
from server.errors import ConfigError
from tests.server.cache.stores.conftest import Clock, row, until

MIB = 2**20


class Scripted(MemoryStore):
    """A store of which a test says how it fares. Not a MemoryStore to Levels: `Levels` looks for the class's own front."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MIB, 3600, clock)
        self.name = "scripted"
        self.down = False
        self.hangs: asyncio.Event | None = None
        self.asked = self.pinged = 0
        self.touched: list[bytes] = []

    async def get(self, key: bytes) -> Row | None:
        self.asked += 1
        await self.fare()
        return self.memory.get(key)

    async def ping(self) -> None:
        self.pinged += 1
        await self.fare()

    def touch(self, key: bytes) -> None:
        self.touched.append(key)

    async def fare(self) -> None:
        if self.down:
            raise StoreDown("scripted")
        if self.hangs is not None:
            await self.hangs.wait()


@pytest.fixture
def store(clock: Clock) -> Scripted:
    return Scripted(clock)


@pytest.fixture
def levels(store: Scripted, clock: Clock) -> Levels:
    return Levels(store, Memory(MIB, 3600, clock), deadline=0.02)


def only_behind(store: Scripted, clock: Clock, name: str = "a") -> Row:
    put = row(name, clock=clock)
    store.put(put)
    return put


async def test_what_the_store_had_is_in_memory_afterwards(levels: Levels, store: Scripted, clock: Clock):
    put = only_behind(store, clock)
    assert levels.get_now(put.key) is None
    assert await levels.get(put.key) == put
    assert levels.get_now(put.key) == put
    assert await levels.get(put.key) == put
    assert store.asked == 1
    assert (levels.counters.store_hits, levels.counters.memory_hits) == (1, 2)


async def test_a_hit_in_memory_counts_as_use_in_the_store(levels: Levels, store: Scripted, clock: Clock):
    put = row("a", clock=clock)
    levels.put(put)
    levels.get_now(put.key)
    assert store.touched == [put.key]


async def test_a_key_that_the_store_cannot_have_is_not_asked_for(levels: Levels, store: Scripted):
    assert not levels.may_have(b"unknown")
    assert await levels.get(b"unknown") is None
    assert store.asked == 0
    assert levels.counters.misses == 1


async def test_a_slow_store_is_a_miss_and_counted_and_soon_not_asked(levels: Levels, store: Scripted, clock: Clock):
    put = only_behind(store, clock)
    store.hangs = asyncio.Event()
    for _ in range(FAILURES + 50):
        assert await levels.get(put.key) is None
    assert store.asked == FAILURES
    assert (levels.counters.slow, levels.counters.down) == (FAILURES, 50)
    await levels.close()


async def test_a_store_that_is_down_is_a_miss_and_counted_and_soon_not_asked(levels: Levels, store: Scripted, clock: Clock):
    put = only_behind(store, clock)
    store.down = True
    for _ in range(FAILURES + 50):
        assert await levels.get(put.key) is None
    assert store.asked == FAILURES
    assert levels.counters.down == FAILURES + 50
    await levels.close()


async def test_a_store_that_comes_back_is_asked_again_though_no_request_tried(levels: Levels, store: Scripted, clock: Clock):
    put = only_behind(store, clock)
    store.down = True
    for _ in range(FAILURES):
        await levels.get(put.key)
    store.down = False

    async def pinged() -> bool:
        return store.pinged > 0

    await until(pinged)
    await asyncio.sleep(0)
    assert await levels.get(put.key) == put
    assert store.asked == FAILURES + 1


async def test_memory_answers_while_the_store_hangs(levels: Levels, store: Scripted, clock: Clock):
    put = row("a", clock=clock)
    levels.put(put)
    store.hangs = asyncio.Event()
    assert await levels.get(put.key) == put
    assert store.asked == 0


@pytest.mark.parametrize("told", ["flush", "replace"])
async def test_what_was_read_before_a_flush_is_not_kept_after_it(told: str, levels: Levels, store: Scripted, clock: Clock):
    put = only_behind(store, clock)
    levels.deadline = 5
    store.hangs = asyncio.Event()
    reading = asyncio.create_task(levels.get(put.key))
    await asyncio.sleep(0)
    if told == "flush":
        store.on_flush("m", None)
    else:
        store.on_replace([put.key])
    store.hangs.set()
    assert await reading == put, "it was asked for before"
    assert levels.get_now(put.key) is None


async def test_flush_empties_memory_though_the_store_is_down(levels: Levels, store: Scripted, clock: Clock):
    put = row("a", clock=clock)
    levels.put(put)

    async def down(model: str | None, namespace: str | None) -> int:
        raise StoreDown("scripted")

    store.flush = down  # type: ignore[method-assign]
    with pytest.raises(StoreDown):
        await levels.flush("m")
    assert levels.get_now(put.key) is None


async def test_a_discarded_row_is_gone_from_both(levels: Levels, store: Scripted, clock: Clock):
    put = row("a", clock=clock)
    levels.put(put)
    levels.discard(put.key)
    assert levels.get_now(put.key) is None
    assert await store.get(put.key) is None


async def test_memory_alone_is_its_own_front(tmp_path: Path, clock: Clock):
    levels = open_store("memory", tmp_path, 10 * MIB, 3600, clock, memory=MIB)
    await levels.open()
    put = row("a", clock=clock)
    levels.put(put)
    assert levels.get_now(put.key) == put
    assert not levels.may_have(row("b", clock=clock).key)
    assert await levels.get(row("b", clock=clock).key) is None
    stats = await levels.stats()
    assert (stats.name, stats.entries, stats.max_bytes) == ("memory", 1, MIB)
    assert await levels.flush() == 1
    await levels.close()
    assert list(tmp_path.iterdir()) == []


async def test_sqlite_is_one_file_in_the_data_folder(tmp_path: Path, clock: Clock):
    levels = open_store("sqlite", tmp_path, 10 * MIB, 3600, clock)
    await levels.open()
    levels.put(row("a", clock=clock))
    await levels.close()
    assert {found.name for found in tmp_path.iterdir()} == {"cache.db", "cache.db.lock", "cache.db.turn"}


@pytest.mark.parametrize("url", ["sqlite3", "http://host", "valkey://host:port", "redis://host:99999999"])
def test_an_address_that_cannot_be_one_is_said(url: str, tmp_path: Path, clock: Clock):
    with pytest.raises(ConfigError, match=r"cache.store: '.+' is no .*valkey://host:6379/0"):
        open_store(url, tmp_path, MIB, 3600, clock)
