"""A few HTTP/1.1 requests to an engine, one connection each: for readiness, probes and metrics, not for clients' traffic."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


async def request(address: str, method: str, path: str, body: Any = None, *, timeout: float) -> Answer:
    """Ask the server at `address` (unix:/path.sock or http://host:port). Raises OSError, TimeoutError (`timeout` in seconds)."""
    async with asyncio.timeout(timeout):
        reader, writer = await _connect(address)
        try:
            payload = b"" if body is None else json.dumps(body).encode()
            head = (
                f"{method} {path} HTTP/1.1",
                "host: engine",
                "connection: close",
                "content-type: application/json",
                f"content-length: {len(payload)}",
            )
            writer.write("\r\n".join((*head, "", "")).encode() + payload)
            return await _read(reader)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    parts = urlsplit(address)
    return await asyncio.open_connection(parts.hostname, parts.port or 80)


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if "chunked" in headers.get("transfer-encoding", ""):
            return Answer(status, await _chunks(reader))
        if "content-length" in headers:
            return Answer(status, await reader.readexactly(int(headers["content-length"])))
        return Answer(status, await reader.read())
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise ConnectionError(f"the engine sent no whole answer: {error}") from None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    return body
