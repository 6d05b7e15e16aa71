"""A real server that hangs, dies, comes back, is emptied, is full, refuses."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.cache.stores.base import StoreDown
from server.cache.stores.breaker import FAILURES
from server.cache.stores.levels import Levels
from server.cache.stores.memory import Memory
from server.cache.stores.valkey import PREFIX, Valkey
from server.errors import ConfigError
from tests.server.cache.stores.conftest import Clock, row, until, written
from tests.server.cache.stores.valkey_server import ValkeyServer

MIB = 2**20


Connect = Callable[..., Awaitable[Valkey]]


@pytest.fixture
async def connect(own_server: ValkeyServer, clock: Clock) -> AsyncIterator[Connect]:
    """`await connect()`: an opened store; closed also where the test fails, since uvloop waits for what is not sent."""
    async with AsyncExitStack() as stack:

        async def open(url: str = own_server.url, max_bytes: int = MIB) -> Valkey:
            store = Valkey(url, max_bytes, 3600, clock, touch_every=0, touch_again=0)
            stack.push_async_callback(store.close)
            await store.open()
            return store

        yield open


@pytest.fixture
async def levels(own_server: ValkeyServer, clock: Clock):
    found = Levels(Valkey(own_server.url, 4 * MIB, 3600, clock), Memory(MIB, 3600, clock))
    await found.open()
    yield found
    await found.close()


async def put_behind(levels: Levels, clock: Clock, name: str = "a") -> bytes:
    put = row(name, clock=clock)
    levels.store.put(put)
    await written(levels.store)
    return put.key


async def test_a_server_that_hangs_is_a_miss_within_the_deadline_then_free_and_is_used_again_when_it_goes_on(
    levels: Levels, own_server: ValkeyServer, clock: Clock
):
    key = await put_behind(levels, clock)
    own_server.hang()
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(FAILURES + 200):
        before = loop.time()
        assert await levels.get(key) is None
        waits.append(loop.time() - before)
        levels.put(row("b", clock=clock))
    assert levels.counters.slow == FAILURES
    assert levels.counters.down == 200
    assert sum(waits) < 200 * levels.deadline, "those after the first few did not wait"
    assert not (await levels.stats()).up
    own_server.go_on()

    async def again() -> bool:
        return await levels.get(key) is not None

    await until(again)
    assert (await levels.stats()).up


async def test_a_server_that_dies_is_a_miss_and_one_that_comes_back_empty_is_used(levels: Levels, own_server: ValkeyServer, clock: Clock):
    key = await put_behind(levels, clock)
    levels.store.put_question(b"p", key, b"data", "m", "n")
    ((cursor, _, _),) = await levels.questions(b"p", 0)
    assert await levels.get(key) is not None
    own_server.kill()

    async def down() -> bool:
        return not (await levels.stats()).up

    await until(down)
    assert await levels.get(row("other", clock=clock).key) is None
    assert levels.get_now(key) is not None, "what is in memory is still right"
    with pytest.raises(StoreDown):
        await levels.flush()
    with pytest.raises(StoreDown):
        await levels.add_counts(b"p", {"n": 1})
    own_server.start()

    async def again() -> bool:
        clock.now += 1
        levels.put(row("a", b"new", clock=clock))
        levels.put_question(b"p", key, b"data", "m", "n")
        found = await levels.stats()
        return found.up and found.entries == 1 and found.questions == 1

    await until(again)
    found = await levels.questions(b"p", cursor)
    assert len(found) == 1, "its cursor is newer than those of the lost data"


async def test_a_server_that_is_not_there_at_the_start_is_used_when_it_comes(connect: Connect, own_server: ValkeyServer, clock: Clock):
    own_server.kill()
    levels = Levels(await connect(), Memory(MIB, 3600, clock))
    assert await levels.get(row("a", clock=clock).key) is None
    levels.put(row("a", clock=clock))
    own_server.start()

    async def up() -> bool:
        levels.put(row("a", clock=clock))
        return (await levels.stats()).entries == 1

    await until(up)


async def test_a_server_that_was_emptied_empties_the_memory_in_front(levels: Levels, clock: Clock):
    key = await put_behind(levels, clock)
    assert await levels.get(key) is not None
    await levels.store._server.command("FLUSHALL")

    async def gone() -> bool:
        return await levels.get(key) is None

    await until(gone)


async def test_a_full_server_drops_rows_and_still_answers(levels: Levels, clock: Clock):
    key = await put_behind(levels, clock)
    await levels.store._server.command("CONFIG", "SET", "maxmemory", "1")
    levels.put(row("b", clock=clock))
    await written(levels.store)
    assert await levels.store.get(key) is not None
    stats = await levels.stats()
    assert (stats.entries, stats.dropped, stats.up) == (1, 1, True)
    assert await levels.flush() == 1


async def test_what_somebody_else_wrote_in_a_rows_place_is_a_miss_and_removed(levels: Levels, clock: Clock):
    key = await put_behind(levels, clock)
    await levels.store._server.command("SET", PREFIX + b"e:" + key, b"\xc1 no row")
    assert await levels.get(key) is None
    await written(levels.store)
    assert (await levels.stats()).entries == 0


async def test_what_is_counted_is_what_is_there_whatever_is_written(connect: Connect, own_server: ValkeyServer, clock: Clock):
    chance = random.Random(7)
    store = await connect()
    for number in range(2000):
        clock.now += 1
        name = f"{chance.randrange(80)}"
        put = row(name, bytes(chance.randrange(60_000)), clock=clock, model=f"m{chance.randrange(3)}", ttl=chance.choice([50, 3000]))
        store.put(put)
        if chance.random() < 0.3:
            store.put_question(b"p%d" % chance.randrange(3), put.key, bytes(chance.randrange(5000)), "m", "n")
        if chance.random() < 0.05:
            store.discard(put.key)
        if chance.random() < 0.005:
            await store.flush(f"m{chance.randrange(3)}", None)
        if number % 50 == 0:
            await written(store)
            stats = await store.stats()
            assert stats.bytes <= MIB
            assert stats.bytes == sum(group.bytes for group in stats.groups)
    await written(store)
    command = store._server.command
    rows = await command("HGETALL", PREFIX + b"rows")
    rows = rows if isinstance(rows, dict) else dict(zip(rows[::2], rows[1::2], strict=True))
    assert sum(int(value.partition(b":")[0]) for value in rows.values()) == (await store.stats()).bytes
    for table in (b"used", b"expires"):
        assert set(await command("ZRANGE", PREFIX + table, 0, -1)) == set(rows)
    clock.now += 10_000

    async def empty() -> bool:
        return (await store.stats()).entries == 0

    await until(empty)
    left = {key.removeprefix(PREFIX) for key in await command("KEYS", b"*")}
    assert left <= {b"bytes", b"questions", b"cursor", b"change", b"changes", b"epoch", b"flushed"}
    assert int(await command("GET", PREFIX + b"bytes")) == int(await command("GET", PREFIX + b"questions")) == 0


async def test_a_wrong_password_is_down_and_its_warning_keeps_the_password_to_itself(
    connect: Connect, own_server: ValkeyServer, clock: Clock, caplog
):
    own_server.kill()
    own_server.start("--requirepass", "right")
    store = await connect(f"{own_server.url}?password=wrong-secret")
    assert not (await store.stats()).up
    assert "requests go on without it" in caplog.text
    assert "wrong-secret" not in caplog.text
    store = await connect(f"{own_server.url}?password=right")
    assert (await store.stats()).up


@pytest.mark.parametrize("scheme", ["valkey", "redis"])
async def test_both_names_reach_a_server_over_tcp(
    connect: Connect, scheme: str, own_server: ValkeyServer, clock: Clock, unused_tcp_port: int
):
    own_server.kill()
    own_server.start("--port", str(unused_tcp_port), "--bind", "127.0.0.1")
    store = await connect(f"{scheme}://127.0.0.1:{unused_tcp_port}/3")
    store.put(row("a", clock=clock))
    await written(store)
    assert await store.get(row("a", clock=clock).key) == row("a", clock=clock)


async def test_a_server_killed_under_load_leaves_no_wrong_row(connect: Connect, own_server: ValkeyServer, clock: Clock):
    own_server.kill()
    own_server.start("--appendonly", "yes", "--appendfsync", "no")
    store = await connect(max_bytes=64 * MIB)
    values = {f"{i}": bytes([i % 256]) * (100 * i) for i in range(400)}
    for name, value in values.items():
        store.put(row(name, value, clock=clock))
    await asyncio.sleep(0.02)
    own_server.kill()
    own_server.start("--appendonly", "yes")

    async def up() -> bool:
        return (await store.stats()).up and store.up and not store._on_the_way.rows

    await until(up)
    found = {name: await store.get(row(name, clock=clock).key) for name in values}
    assert all(one is None or one.value == values[name] for name, one in found.items())
    assert (await store.stats()).entries == sum(one is not None for one in found.values())


def test_without_the_client_package_the_message_says_what_to_install():
    code = (
        "import sys; sys.modules['redis'] = sys.modules['redis.asyncio'] = None\n"
        "from server.cache.stores.levels import open_store\n"
        "from server.errors import ConfigError\n"
        "from pathlib import Path\n"
        "try: open_store('valkey://host', Path('.'), 1, 1, lambda: 0.0)\n"
        "except ConfigError as error: print(error.message)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[4])
    assert done.stdout.strip() == (
        "cache.store: a Valkey or Redis server needs the client package 'redis': pip install -r requirements/valkey.txt"
    ), done.stderr


async def test_closing_ends_though_the_server_hangs_with_rows_on_their_way(connect: Connect, own_server: ValkeyServer, clock: Clock):
    store = await connect(max_bytes=64 * MIB)
    own_server.hang()
    for number in range(300):
        store.put(row(f"{number}", bytes(50_000), clock=clock))
    async with asyncio.timeout(20):
        await store.close()


def test_an_unknown_scheme_is_said():
    with pytest.raises(ConfigError, match="valkey://host:6379/0"):
        Valkey("http://host", MIB, 3600, Clock())
