"""One HTTP/1.1 connection: asyncio's bytes in, an exchange's head, body and end out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from benchmarks.loadgen.events import short
from benchmarks.loadgen.failures import Failure, failure_of

if TYPE_CHECKING:
    from benchmarks.loadgen.client import Client

MAX_HEAD = 64 * 2**10  # bytes of an answer's headers


class Exchange(Protocol):
    """Whoever sent a request: told what becomes of it. `end` is the last call; `holder` and `resent` are the client's."""

    holder: object | None
    resent: bool

    def written(self, now: float) -> None: ...
    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...
    def body(self, now: float, data: bytes) -> None: ...
    def end(self, now: float, failure: Failure | None) -> None: ...


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    transport: asyncio.Transport

    def __init__(self, client: Client) -> None:
        self.client = client
        self.clock, self.origin, self.inbox = client.clock, client.origin, client.inbox
        self.parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.exchange: Exchange | None = None
        self.request = b""
        self.closed = False
        self.reason: Exception | None = None  # why it was lost
        self.served = 0  # answers that came over it
        self.now = 0.0  # arrival of what is being parsed
        self._reset()

    def _reset(self) -> None:
        self.heard = False  # any byte of this answer came
        self.started = False  # its headers are complete
        self.framed = False  # its length is known, or it is chunked
        self.head_bytes = 0
        self.headers: list[tuple[bytes, bytes]] = []

    def send(self, exchange: Exchange, data: bytes) -> None:
        self._reset()
        self.exchange, self.request = exchange, data
        exchange.holder = self
        self.transport.write(data)
        exchange.written(self.client.now())

    def drop(self) -> None:
        """Close at once; nobody is told."""
        self.exchange = None
        self.closed = True
        self.transport.abort()

    # asyncio.Protocol: only stamps

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.client.open.add(self)
        self.client.connections += 1

    def data_received(self, data: bytes) -> None:
        client = self.client
        if client.reading:
            self.inbox.append((self, self.clock() - self.origin, data))
        else:
            client.arrived(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.reason = exc
        self.client.open.discard(self)
        self.client.arrived(self, None)

    # after the stamp

    def take(self, now: float, data: bytes | None) -> None:
        """Parse what arrived at `now`."""
        self.now = now
        if data is None:
            self._lost(now)
            return
        if self.exchange is None or self.parser is None:
            if not self.closed:
                self.drop()  # bytes that nobody asked for
            return
        self.heard = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end(now, ("not HTTP", f"{error}: {short(data[:100].decode(errors='replace'))}"))
            return
        if not self.started:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD:
                self._end(now, ("not HTTP", "its headers are too large"))

    def _lost(self, now: float) -> None:
        exchange, reason = self.exchange, self.reason
        self.parser = None  # it holds this object: a cycle that a stopped collector would keep
        if exchange is None:
            return
        self.exchange = exchange.holder = None
        if self.started and not self.framed and reason is None:
            exchange.end(now, None)  # a body without a length ends where the connection does
        elif self.served and not self.heard and not exchange.resent:
            exchange.resent = True  # it was closed while it was idle: not this request's fault
            self.client.send(exchange, self.request, fresh=True)
        elif reason is not None:
            exchange.end(now, failure_of(reason))
        else:
            exchange.end(now, ("connection lost", "the server closed it inside the answer" if self.heard else "closed without an answer"))

    def _end(self, now: float, failure: Failure | None) -> None:
        exchange, self.exchange = self.exchange, None
        if failure is not None:
            self.drop()
        if exchange is not None:
            exchange.holder = None
            exchange.end(now, failure)

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self.framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code() if self.parser else 0
        if status < 200 or self.exchange is None:
            return
        self.started = True
        if status in (204, 304):
            self.framed = True
        self.exchange.head(status, self.headers)

    def on_body(self, body: bytes) -> None:
        if self.exchange is not None:
            self.exchange.body(self.now, body)

    def on_message_complete(self) -> None:
        if not self.started or self.parser is None:  # 100 Continue, 103 Early Hints
            self.headers = []
            self.framed = False
            return
        self.served += 1
        exchange, self.exchange = self.exchange, None
        if self.closed or not (self.framed and self.parser.should_keep_alive()):
            self.closed = True
            self.transport.close()
        else:
            self.client.idle.append(self)
        if exchange is not None:
            exchange.holder = None
            exchange.end(self.now, None)
