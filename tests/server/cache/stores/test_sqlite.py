"""The SQLite file when things go wrong, and several processes on it."""

# ruff: noqa: ASYNC240 - a test may wait for its files

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.cache.stores import tables
from server.cache.stores.base import Row, StoreDown
from server.cache.stores.file import Link
from server.cache.stores.levels import Levels
from server.cache.stores.memory import Memory
from server.cache.stores.sqlite import SQLite
from tests.server.cache.stores import worker
from tests.server.cache.stores.conftest import Clock, Open, row, until, written

MIB = 2**20
ROOT = Path(__file__).parents[4]
WORKER = [sys.executable, "-m", "tests.server.cache.stores.worker"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cache.db"


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*WORKER, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def test_two_processes_write_read_and_flush_one_file(file: Path):
    processes = [start(file, "load", 3) for _ in range(2)]
    for process in processes:
        out, _ = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0
        read, errors = map(int, out.split())
        assert read > 100
        assert errors == 0
    connection = sqlite3.connect(file)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert tables.used_bytes(connection) <= worker.MAX_BYTES
    connection.close()


async def test_sigkill_under_load_leaves_only_whole_rows(file: Path):
    chance = random.Random(4)
    other = start(file, "load without end")
    other.stdout.readline()
    for _ in range(12):
        process = start(file, "load without end")
        process.stdout.readline()
        await asyncio.sleep(chance.uniform(0.05, 0.5))
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        process.stdout.close()
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    connection = sqlite3.connect(file)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    keys = [key for (key,) in connection.execute("select key from entries")]
    rows = [found for key in keys for found in tables.look_up(connection, [key])]
    assert len(rows) == len(keys) > 20, "a key without its value"
    assert all(map(worker.is_whole, rows))
    assert connection.execute("select count(*) from bodies").fetchone()[0] == len(keys)
    assert tables.used_bytes(connection) <= worker.MAX_BYTES
    connection.close()
    store = SQLite(file, worker.MAX_BYTES, 3600, time.time)
    await store.open()
    assert all(store.may_have(key) for key in keys)
    assert all([await store.get(key) is not None for key in keys])
    await store.close()
    assert not Path(f"{file}.broken").exists()


async def test_the_file_is_the_users_alone(opened: Open, file: Path):
    store = await opened("sqlite")
    await written(store)
    assert {stat.S_IMODE(found.stat().st_mode) for found in file.parent.iterdir()} == {0o600}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 300_000)), min_size=30, max_size=120), st.integers(MIB, 3 * MIB))
def test_the_file_keeps_its_bound_whatever_the_sizes(puts: list[tuple[int, int]], max_bytes: int):
    async def run(path: Path) -> None:
        store = SQLite(path, max_bytes, 3600, Clock())
        await store.open()
        for number, (name, size) in enumerate(puts):
            store.put(row(f"{name}", bytes(size), clock=Clock()))
            if number % 7 == 0:
                await written(store)
        await written(store)
        assert (await store.stats()).bytes <= max_bytes
        await store.close()
        assert path.stat().st_size <= max_bytes + max_bytes // 4, "one batch above, and free pages"

    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(run(Path(folder) / "cache.db"))


async def test_a_file_that_is_no_database_is_set_aside_and_begun_anew(opened: Open, file: Path, clock: Clock, caplog):
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    store = await opened("sqlite")
    store.put(row("a", clock=clock))
    await written(store)
    assert await store.get(row("a", clock=clock).key) is not None
    assert Path(f"{file}.broken").read_bytes().startswith(b"no database")
    assert "set aside as cache.db.broken" in caplog.text


async def test_another_programs_database_is_set_aside(opened: Open, file: Path, clock: Clock):
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("create table other(x)")
    connection.commit()
    connection.close()
    store = await opened("sqlite")
    store.put(row("a", clock=clock))
    await written(store)
    assert (await store.stats()).entries == 1
    assert Path(f"{file}.broken").exists()


async def test_a_file_damaged_while_two_workers_use_it_is_begun_anew_once_and_both_go_on(opened: Open, file: Path, clock: Clock):
    one, other = await opened("sqlite"), await opened("sqlite")
    for i in range(300):
        one.put(row(f"{i}", bytes(5000), clock=clock))
    await written(one)
    connection = sqlite3.connect(file)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    with file.open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(os.urandom(file.stat().st_size - 100))

    async def whole_again() -> bool:
        for i, store in enumerate((one, other)):
            clock.now += 1
            store.put(row(f"new {i}", clock=clock))
            for key in (row(f"{chance}", clock=clock).key for chance in range(300)):
                try:
                    await store.get(key)
                except StoreDown:
                    return False
        stats = [await store.stats() for store in (one, other)]
        return all(found.up and found.entries == 2 for found in stats)

    await until(whole_again)
    assert Path(f"{file}.broken").exists()
    connection = sqlite3.connect(file)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_a_file_that_was_deleted_is_begun_anew_and_the_memory_in_front_forgets(opened: Open, file: Path, clock: Clock):
    store = await opened("sqlite")
    levels = Levels(store, Memory(MIB, 3600, clock))
    levels.put(row("a", clock=clock))
    await written(store)
    for left in file.parent.glob("cache.db*"):
        left.unlink()

    async def forgotten() -> bool:
        return await levels.get(row("a", clock=clock).key) is None

    await until(forgotten)
    levels.put(row("b", clock=clock))

    async def again() -> bool:
        return (await store.stats()).entries == 1

    await until(again)


async def test_a_file_that_somebody_writes_for_long_is_read_all_the_same_and_written_later(opened: Open, file: Path, clock: Clock):
    store = await opened("sqlite")
    store.put(row("a", clock=clock))
    await written(store)
    levels = Levels(store, Memory(MIB, 3600, clock))
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("begin immediate")
    levels.put(row("b", clock=clock))
    levels.memory.flush(None, None)
    found = await levels.get(row("a", clock=clock).key)
    assert found is not None, "in WAL a writer does not keep readers out"
    lock.execute("commit")
    lock.close()

    async def has() -> bool:
        return (await store.stats()).entries == 2

    await until(has)


async def test_a_file_locked_wholly_at_the_start_is_down_and_comes_up(opened: Open, file: Path, clock: Clock):
    file.parent.mkdir()
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("pragma locking_mode = exclusive")
    lock.execute("begin exclusive")
    lock.execute("create table other(x)")
    store = await opened("sqlite")
    levels = Levels(store, Memory(MIB, 3600, clock))
    levels.put(row("a", clock=clock))
    levels.memory.flush(None, None)
    assert await levels.get(row("b", clock=clock).key) is None
    assert levels.counters.down + levels.counters.slow >= 1
    with pytest.raises(StoreDown):
        await store.get(row("b", clock=clock).key)
    lock.execute("rollback")
    lock.close()

    async def up() -> bool:
        levels.put(row("c", clock=clock))
        return (await store.stats()).entries > 0

    await until(up, 60)


@pytest.mark.parametrize("folder", ["/proc/sllm", "/dev/null/sllm"])
async def test_a_folder_that_cannot_be_written_is_a_miss_and_said_once(folder: str, clock: Clock, caplog):
    store = SQLite(Path(folder) / "cache.db", MIB, 3600, clock)
    levels = Levels(store, Memory(MIB, 3600, clock))
    await levels.open()
    kept = row("kept", clock=clock)
    levels.put(kept)
    for _ in range(20):
        assert await levels.get(row("a", clock=clock).key) is None
    assert levels.counters.down == 20
    assert await levels.get(kept.key) == kept, "memory goes on"
    assert not (await levels.stats()).up
    with pytest.raises(StoreDown):
        await levels.flush()
    assert caplog.text.count("cannot be used") <= 2, "once a thread"
    await levels.close()


def full_disk(path: str) -> None:
    """In a process of its own: files may have 300 KB, as on a full disk."""
    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    async def run() -> None:
        clock = Clock()
        store = SQLite(Path(path), 64 * MIB, 3600, clock)
        levels = Levels(store, Memory(MIB, 3600, clock))
        await levels.open()
        for i in range(40):
            levels.put(row(f"{i}", bytes(20_000), clock=clock))
            await asyncio.sleep(0.02)
        levels.memory.flush(None, None)
        assert store.tally.dropped > 10, "it is full"
        found = [await levels.get(row(f"{i}", clock=clock).key) for i in range(40)]
        assert all(one is None or one.value == bytes(20_000) for one in found)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)

        async def again() -> bool:
            levels.put(row("later", clock=clock))
            return (await store.stats()).entries > 0

        await until(again)
        await levels.close()

    uvloop.run(run())


def test_a_full_disk_drops_rows_and_is_used_again_when_there_is_room(file: Path):
    code = f"from tests.server.cache.stores.test_sqlite import full_disk; full_disk({str(file)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    connection = sqlite3.connect(file)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_a_questions_cursor_is_newer_in_a_file_begun_anew(opened: Open, file: Path, clock: Clock):
    store = await opened("sqlite")

    async def ask() -> int:
        store.put(row("a", clock=clock))
        store.put_question(b"p", row("a", clock=clock).key, b"data", "m", "n")
        found = await store.questions(b"p", 0)
        return found[0][0] if found else 0

    before = await ask()
    await asyncio.sleep(0.01)
    for left in file.parent.glob("cache.db*"):
        left.unlink()

    async def newer() -> bool:
        return await ask() > before

    await until(newer)


async def test_another_workers_flush_empties_the_memory_in_front(opened: Open, clock: Clock):
    one, other = [Levels(await opened("sqlite"), Memory(MIB, 3600, clock)) for _ in range(2)]
    put = row("a", clock=clock)
    one.put(put)
    await written(one.store)

    async def has() -> bool:  # in memory too, which a late notice of the write may empty once
        return await other.get(put.key) is not None and other.get_now(put.key) is not None

    await until(has)
    await one.flush("m", "n")

    async def gone() -> bool:
        return other.get_now(put.key) is None and await other.get(put.key) is None

    await until(gone)


@pytest.fixture
def free_of_leaks() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 2


async def test_closing_ends_the_threads_and_the_files(free_of_leaks: None, file: Path, clock: Clock):
    for _ in range(5):
        store = SQLite(file, MIB, 3600, clock)
        await store.open()
        store.put(Row(b"k" * 32, b"v", "m", "n", clock(), clock() + 1))
        await store.close()
        assert not store._reader.is_alive()
        assert not store._writer.is_alive()


def test_opening_the_file_again_in_this_process_drops_no_lock(tmp_path):
    def locks() -> list[str]:
        inode = f":{path.stat().st_ino}"
        return [line for line in Path("/proc/locks").read_text().splitlines() if "POSIX" in line and line.split()[5].endswith(inode)]

    path = tmp_path / "cache.sqlite"
    reader, writer = Link(path, writes=False), Link(path, writes=True)
    reader.connection().execute("SELECT count(*) FROM sqlite_master").fetchone()
    before = locks()
    writer.connection()
    assert before
    assert len(locks()) >= len(before)
    writer.close()
    reader.close()
