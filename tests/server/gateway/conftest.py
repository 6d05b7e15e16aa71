"""The real application on the real protocol, in the test's event loop, in front of scripted engines."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvloop

from server.gateway.app import GatewayApp, create_app
from server.gateway.serve import GatewayServer
from server.settings import parse
from tests.scripted import Scripted


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that serves in production."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Running:
    """A gateway that listens. `log` holds its request lines."""

    app: GatewayApp
    server: GatewayServer
    port: int
    task: asyncio.Task[None]
    raw_log: list[bytes] = field(default_factory=list)
    clients: list[openai.AsyncOpenAI] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        assert self.app.access_log is not None
        self.app.access_log.flush()
        return [json.loads(line) for block in self.raw_log for line in block.splitlines()]

    def openai(self) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)
        self.clients.append(client)
        return client

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30)

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, with `data` sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer

    async def exchange(self, data: bytes) -> bytes:
        """All that comes back for `data` until the gateway closes."""
        reader, writer = await self.raw(data)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


Gateways = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateways:
    """`async with gateway(engine, ...) as running`: one model `m` over `engine`, or any configuration. The cache is off."""

    @asynccontextmanager
    async def start(*engines: Scripted | str, state: Path | None = None, **configuration: Any) -> AsyncIterator[Running]:
        urls = [e if isinstance(e, str) else e.url for e in engines]
        if urls:
            configuration = {"models": [{"name": "m", "upstreams": urls}], **configuration}
        configuration = {"cache": {"store": "off"}, **configuration}
        configuration["gateway"] = {"data_dir": str(tmp_path / "data"), **configuration.get("gateway", {})}
        log: list[bytes] = []
        app = create_app(parse(configuration), state, write_log=log.append)
        server = GatewayServer(app)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        task = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0.001)
        running = Running(app, server, port, task, log)
        try:
            yield running
        finally:
            for client in running.clients:
                await client.close()
            server.should_exit = True
            await task

    return start


@pytest.fixture
async def engine() -> AsyncIterator[Scripted]:
    async with Scripted() as scripted:
        yield scripted


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A raw POST that closes its connection."""
    lines = [f"POST {path} HTTP/1.1", "host: x", "connection: close", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def cached(running: Running, model: str = "m") -> None:
    """Wait until the gateway knows what is served; before, nothing is answered from the cache."""
    async with asyncio.timeout(5):
        while running.app.catalogue.targets[model].origin is None:
            await asyncio.sleep(0.002)


def asked(engine: Scripted) -> int:
    """How often the engine was to generate."""
    return sum(request.method == "POST" for request in engine.requests)


async def begun(engine: Scripted) -> None:
    """Wait until the engine is asked to generate."""
    async with asyncio.timeout(5):
        while not asked(engine):
            await asyncio.sleep(0.002)
