"""One HTTP/1.1 connection to an engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from server.gateway.upstream.errors import Broken, Garbage, Stale, UpstreamFailure

if TYPE_CHECKING:
    from server.gateway.upstream.pool import Pool

MAX_HEAD = 64 * 2**10  # bytes of an answer's headers
STALE = 1.0  # seconds; an idle connection that the engine closed shows it at once, later it broke off while working
HIGH_WATER = 256 * 2**10  # bytes of body held for a slow client before reading stops


class Connection(asyncio.Protocol):
    """Sends one request at a time and gives its answer: `status`, `headers`, then the body.

    After `await exchange(...)` the headers are known, and for a small answer the body as well (`complete`).
    `await rest()` gives the whole body; `await read()` what has arrived, b"" at the end.
    Each raises UpstreamFailure. Whoever holds a connection gives it back with `pool.release`.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.loop = pool.loop
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.parser = httptools.HttpResponseParser(self)
        self.waiter: asyncio.Future[None] | None = None
        self.failure: UpstreamFailure | None = None
        self.paused = False
        self.closed = False
        self.served = 0  # answers that came over this connection
        self.quiet = 0.0  # seconds since the last byte, counted by the pool's timer
        self._begin()
        self.complete = True  # nothing is asked yet

    def _begin(self) -> None:
        self.status = 0
        self.content_type = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_bytes = 0
        self.heard = False  # any byte of this answer came
        self.started = False  # its headers are complete
        self.complete = False
        self.keep_alive = False  # the engine will take another request here
        self.framed = False  # its length is known, or it is chunked
        self.whole = False  # the caller wants the body in one piece
        self.chunks: list[bytes] = []
        self.held = 0

    async def exchange(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the answer's headers."""
        self._begin()
        self.quiet = 0.0
        transport = self.transport
        # A large body keeps its own buffer: joining would copy it.
        if len(body) < 65536:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        while not self.started:
            await self._wait()

    async def rest(self) -> bytes:
        """The whole body, once it is complete."""
        self.whole = True
        self._resume()
        while not self.complete:
            await self._wait()
        chunks, self.chunks = self.chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def read(self) -> bytes:
        """Everything of the body that has arrived since the last call, in one piece; b"" at its end."""
        while not self.chunks:
            if self.complete:
                return b""
            await self._wait()
        chunks, self.chunks = self.chunks, []
        self.held = 0
        if self.paused:
            self._resume()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def abort(self, failure: UpstreamFailure) -> None:
        """End the exchange at once; whoever waits gets `failure`. The engine sees the connection close."""
        if self.failure is None:
            self.failure = failure
        self.closed = True
        self.transport.abort()
        self._wake()

    async def _wait(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.closed:
            raise Broken("the connection is closed")
        self.waiter = self.loop.create_future()
        await self.waiter

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _resume(self) -> None:
        if self.paused and not self.closed:
            self.paused = False
            self.quiet = 0.0
            self.transport.resume_reading()

    @property
    def reusable(self) -> bool:
        return self.complete and not self.closed and self.framed and self.keep_alive

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.quiet = 0.0
        self.heard = True
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.abort(Garbage(str(error) or "not HTTP"))
            return
        if self.started:
            if self.waiter is not None and (self.complete or (self.chunks and not self.whole) or not self.held):
                self._wake()
        else:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD:
                self.abort(Garbage("its headers are too large"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self.started and not self.framed and exc is None:
            self.complete = True  # a body without a length ends where the connection does
        if not self.complete and self.failure is None:
            if self.served and not self.heard and self.quiet < STALE:
                self.failure = Stale("closed while idle")
            else:
                self.failure = Broken(str(exc) if exc else "closed before the answer was whole")
        self.pool.forget(self)
        self._wake()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self.framed = True
        elif name == b"content-type":
            self.content_type = value
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200 and status != 101:
            return
        if self.complete:
            raise ValueError("an answer that nobody asked for")
        self.status = status
        self.started = True
        if status in (204, 304):
            self.framed = True

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)
        self.held += len(body)
        if self.held > HIGH_WATER and not self.whole and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.started:
            self.complete = True
            self.keep_alive = self.parser.should_keep_alive()
            self.served += 1
        else:  # 100 Continue, 103 Early Hints
            self.headers = []
            self.framed = False
