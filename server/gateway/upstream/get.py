"""A GET of the gateway's own at one upstream."""

from __future__ import annotations

import asyncio

from server.gateway.upstream.balance import Upstream
from server.gateway.upstream.errors import UpstreamFailure


async def get(upstream: Upstream, path: str, accept: str, patience: float) -> tuple[int, bytes] | None:
    """(status, body), on a connection of its own; None where no whole answer came within `patience` seconds."""
    head = (
        f"GET {upstream.address.base}{path} HTTP/1.1\r\nhost: {upstream.address.host}\r\naccept: {accept}\r\n{upstream.authorization}\r\n"
    )
    try:
        async with asyncio.timeout(patience):
            connection = await upstream.pool.acquire(fresh=True)
            try:
                await connection.exchange(head.encode("ascii"), b"")
                body = await connection.rest()
            finally:
                upstream.pool.release(connection)
    except (UpstreamFailure, TimeoutError):
        return None
    return connection.status, body
