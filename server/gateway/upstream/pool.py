"""The connections to one address: idle ones are used again, the youngest first."""

from __future__ import annotations

import asyncio
import contextlib

from server.gateway.upstream.address import Address
from server.gateway.upstream.connection import Connection
from server.gateway.upstream.errors import Left, Refused, Silent
from server.settings import Timeouts

IDLE_FOR = 4.0  # seconds; vLLM closes an idle connection after 5 (VLLM_HTTP_TIMEOUT_KEEP_ALIVE)


class Pool:
    """Gives connections with `acquire`, takes them back with `release`. One `sweep` a tick serves every timeout."""

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        self.address = address
        self.timeouts = timeouts
        self.loop = asyncio.get_running_loop()
        self.idle: list[Connection] = []
        self.busy: set[Connection] = set()

    async def acquire(self, fresh: bool = False) -> Connection:
        """An idle connection, or a new one (always, with `fresh`). Raises Refused."""
        if not fresh:
            while self.idle:
                connection = self.idle.pop()
                if not connection.closed:
                    self.busy.add(connection)
                    return connection
        connection = await self._connect()
        self.busy.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Take `connection` back: kept if its answer was read to the end, else closed."""
        self.busy.discard(connection)
        if connection.reusable:
            connection.quiet = 0.0
            self.idle.append(connection)
        elif not connection.closed:
            connection.abort(Left("given back before its end"))

    def forget(self, connection: Connection) -> None:
        """The connection is gone."""
        self.busy.discard(connection)
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)

    def sweep(self, elapsed: float) -> None:
        """Count `elapsed` seconds of silence on every connection and end those that exceed their timeout."""
        for connection in list(self.busy):
            if connection.paused or connection.complete:
                continue
            connection.quiet += elapsed
            limit = self.timeouts.between_bytes if connection.heard else self.timeouts.first_byte
            if connection.quiet > limit:
                what = "no further byte" if connection.heard else "no answer"
                connection.abort(Silent(f"{what} within {limit:g} s"))
        for connection in list(self.idle):
            connection.quiet += elapsed
            if connection.quiet > IDLE_FOR:
                connection.abort(Left("idle"))

    def close(self) -> None:
        """End every connection, busy or idle."""
        for connection in [*self.idle, *self.busy]:
            connection.abort(Left("the gateway stops"))
        self.idle.clear()

    async def _connect(self) -> Connection:
        where, connection = self.address, Connection(self)
        try:
            async with asyncio.timeout(self.timeouts.connect):
                if where.path:
                    await self.loop.create_unix_connection(lambda: connection, where.path)
                else:
                    await self.loop.create_connection(lambda: connection, where.name, where.port, ssl=where.tls)
        except TimeoutError:
            raise Refused(f"no connection within {self.timeouts.connect:g} s") from None
        except OSError as error:
            raise Refused(error.strerror or str(error)) from None
        return connection
