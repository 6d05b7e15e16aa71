"""A lean HTTP/1.1 client: no task and no future for a request, connections kept and used again.

What arrives is stamped at once and read later: `data_received` only notes the time and the bytes, and what was noted is parsed
after all sockets that had data were emptied. So an event's time does not depend on what was to be parsed before it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from benchmarks.loadgen.connection import Connection, Exchange
from benchmarks.loadgen.failures import Failure, NoAnswer, failure_of
from benchmarks.loadgen.target import Target

SLICE = 64  # reads that are parsed before the sockets are looked at again

Clock = Callable[[], float]
T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run on uvloop, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


class Client:
    """Connections to one target, as many as there are requests at once. Times are `clock` - `origin`, seconds."""

    def __init__(self, target: Target, broken: Callable[[Exception], None], clock: Clock = time.perf_counter) -> None:
        """`broken` is told of an exception in an exchange, so that nobody waits for what it would have brought."""
        self.target, self.broken = target, broken
        self.clock = clock
        self.origin = clock()
        self.loop = asyncio.get_running_loop()
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()
        self.opening: set[asyncio.Task[None]] = set()
        self.inbox: deque[tuple[Connection, float, bytes | None]] = deque()
        self.reading = False
        self.tls = ssl.create_default_context() if target.tls else None
        self.addresses: list[str] = []
        self.connections = 0  # opened so far

    def now(self) -> float:
        return self.clock() - self.origin

    def send(self, exchange: Exchange, data: bytes, *, fresh: bool = False) -> float:
        """Send a request: at once on a kept connection, else, or with `fresh`, when a new one stands. The time at which it was begun."""
        now = self.now()
        while self.idle and not fresh:
            connection = self.idle.pop()
            if not connection.closed:
                connection.send(exchange, data)
                return now
        task = self.loop.create_task(self._send_on_new(exchange, data))
        exchange.holder = task
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)
        return now

    def cut(self, exchange: Exchange, failure: Failure) -> None:
        """End a request that is open. Its connection is closed, so that the server sees that nobody waits."""
        holder, exchange.holder = exchange.holder, None
        if isinstance(holder, Connection):
            holder.drop()
        elif isinstance(holder, asyncio.Task):
            holder.cancel()
        exchange.end(self.now(), failure)

    def close(self) -> None:
        for task in self.opening:
            task.cancel()
        for connection in list(self.open):
            connection.drop()
        self.inbox.clear()

    async def resolve(self) -> None:
        """Look the host's addresses up, once for all connections."""
        if not self.target.unix and not self.addresses:
            found = await self.loop.getaddrinfo(self.target.host, self.target.port, type=1)
            self.addresses = list(dict.fromkeys(str(info[4][0]) for info in found))

    async def _send_on_new(self, exchange: Exchange, data: bytes) -> None:
        try:
            connection = await self._connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
            if exchange.holder is not None:
                exchange.holder = None
                exchange.end(self.now(), failure_of(error))
            return
        connection.send(exchange, data)

    async def _connect(self) -> Connection:
        loop, target = self.loop, self.target
        if target.unix:
            _, connection = await loop.create_unix_connection(lambda: Connection(self), target.unix)
            return connection
        await self.resolve()
        problem: OSError = OSError("no address")
        for address in list(self.addresses):
            name = target.host if self.tls else None
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self), address, target.port, ssl=self.tls, server_hostname=name
                )
            except OSError as error:
                problem = error
            else:
                if address != self.addresses[0]:  # the one that works is the first to be tried from now on
                    self.addresses.sort(key=lambda one: one != address)
                return connection
        raise problem

    def arrived(self, connection: Connection, data: bytes | None) -> None:
        """Something came, or, with None, the connection ended."""
        self.inbox.append((connection, self.clock() - self.origin, data))
        if not self.reading:
            self.reading = True
            self.loop.call_soon(self._read)

    def _read(self) -> None:
        inbox = self.inbox
        more = min(len(inbox), SLICE)
        try:
            while more:
                more -= 1
                connection, now, data = inbox.popleft()
                connection.take(now, data)
        except Exception as error:
            self.broken(error)
        if inbox:
            self.loop.call_soon(self._read)
        else:
            self.reading = False


class _Whole:
    """The exchange of `ask`: a future of (status, body)."""

    def __init__(self, future: asyncio.Future[tuple[int, bytes]], target: Target) -> None:
        self.future, self.target = future, target
        self.holder: object | None = None
        self.resent = False
        self.status = 0
        self.parts: list[bytes] = []

    def written(self, now: float) -> None:
        pass

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status

    def body(self, now: float, data: bytes) -> None:
        self.parts.append(data)

    def end(self, now: float, failure: Failure | None) -> None:
        if self.future.done():
            return
        if failure is not None:
            self.future.set_exception(NoAnswer(self.target, failure))
        else:
            self.future.set_result((self.status, b"".join(self.parts)))


async def ask(target: Target, method: str, path: str, body: bytes | None = None, timeout: float = 30.0) -> tuple[int, bytes]:
    """Status and body of one request, on a connection of its own.

    Raises NoAnswer (a BenchError): nothing listens, the certificate is not trusted, no whole answer within `timeout` seconds.
    """
    future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    client = Client(target, future.set_exception)
    exchange = _Whole(future, target)
    try:
        client.send(exchange, target.head(method, path, len(body or b"")) + (body or b""))
        async with asyncio.timeout(timeout):
            return await future
    except TimeoutError:
        raise NoAnswer(target, ("no answer in time", f"{timeout:g} s for {path}")) from None
    finally:
        client.close()
