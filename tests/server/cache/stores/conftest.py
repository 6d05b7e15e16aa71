"""Every store, opened; and a server for those that need one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from server.cache.stores.base import Row, Store
from server.cache.stores.memory import MemoryStore
from server.cache.stores.sqlite import SQLite
from server.cache.stores.valkey import Valkey
from tests.server.cache.stores.valkey_server import ValkeyServer

TTL = 3600.0
MAX_BYTES = 4 * 2**20


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that serves in production."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ValkeyServer]:
    with tempfile.TemporaryDirectory(prefix="v") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    """A server that the test may stop."""
    with tempfile.TemporaryDirectory(prefix="v") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


Open = Callable[..., Awaitable[Store]]


@pytest.fixture(params=["memory", "sqlite", "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sqlite", "valkey"])
def shared_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
    """`await opened(kind)`: a store, empty at first; called again, another worker's store over the same data."""
    async with AsyncExitStack() as stack:
        emptied = False

        async def open(kind: str, max_bytes: int = MAX_BYTES, ttl: float = TTL) -> Store:
            nonlocal emptied
            store: Store
            if kind == "memory":
                store = MemoryStore(max_bytes, ttl, clock)
            elif kind == "sqlite":
                store = SQLite(tmp_path / "data" / "cache.db", max_bytes, ttl, clock, touch_every=0, touch_again=0)
            else:
                server = request.getfixturevalue("shared_server")
                store = Valkey(server.url, max_bytes, ttl, clock, touch_every=0, touch_again=0)
                if not emptied:
                    await store._server.command("FLUSHALL")
                    emptied = True
            await store.open()
            stack.push_async_callback(store.close)
            return store

        yield open


def row(name: str, value: bytes = b"value", *, clock: Clock, model: str = "m", namespace: str = "n", ttl: float = TTL) -> Row:
    return Row(name.encode().ljust(32, b"-"), value, model, namespace, clock(), clock() + ttl)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait for what happens in the background."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)


async def written(store: Store) -> None:
    """All that was put is written: jobs are done in their order."""
    await store.add_counts(b"written", {"n": 0}) if store.name != "valkey" else await store.questions(b"none", 0)
