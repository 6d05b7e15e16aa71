"""HTTP/1.1 towards clients: what uvicorn runs for each connection (`Config(http=protocol_class(...))`).

uvicorn's own has no limit on headers, no time limit for them, answers faults as text/plain, and closes a connection
whose body it has not read in a way that can cost the client the answer. This one does these, parses with the
same httptools, and hands each request to a Cycle. Times are counted by `sweep`, which the server calls:
a timer for every event would cost more than the parsing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from server.errors import HeadersTooLarge, InvalidRequest, RequestError, RequestTimeout
from server.gateway.cycle import Cycle, error_response
from server.settings import Gateway

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

MAX_HEADERS = 256  # in number
BODY_HIGH_WATER = 512 * 2**10  # bytes of body kept for the application before reading stops
DISCARDED = 128 * 2**20  # bytes of an unwanted body read so that its sender sees the answer
LINGER = 5.0  # seconds for the same

ASGI = {"version": "3.0", "spec_version": "2.3"}  # the same for every request; nobody writes into it

_urls: dict[bytes, tuple[str, bytes, bytes]] = {}  # the few targets that clients really use


class Protocol(asyncio.Protocol):
    limits: Gateway

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.app = config.loaded_app
        self.loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.app_state = app_state
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.addresses: tuple[Any, Any] = (None, None)  # server, client
        self.scheme = "http"
        self.running: Cycle | None = None  # being answered
        self.reading: Cycle | None = None  # its body is on the way
        self.queue: deque[Cycle] = deque()  # pipelined
        self.read_paused = False
        self.writable: asyncio.Future[None] | None = None  # set while the client is slower than we
        self.fault: RequestError | None = None  # nothing after it is read
        self.lingering = False
        self.discarded = 0
        self.quiet = 0.0  # seconds in the present state
        self.fresh = True  # no request yet, or half of its headers: the header timeout runs
        self.unparsed = 0  # bytes received meanwhile
        self._next()

    def _next(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_bytes = 0
        self.expects = False
        self.upgrading = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.state.connections.add(self)  # type: ignore[arg-type]
        self.addresses = (_pair(transport.get_extra_info("sockname")), _pair(transport.get_extra_info("peername")))
        if transport.get_extra_info("sslcontext"):
            self.scheme = "https"

    def connection_lost(self, exc: Exception | None) -> None:
        self.state.connections.discard(self)
        for cycle in (self.running, *self.queue):
            if cycle is not None:
                cycle.leave()
        self.resume_writing()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self.lingering or self.fault is not None:
            self._discard(len(data))
            return
        if self.reading is None and not self.fresh:
            self.fresh = True
            self.quiet = 0.0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._without_upgrade(data[stop.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._refuse(self.fault or InvalidRequest(_not_http(data, error), code="invalid_http"))
            return
        if self.fresh:  # headers that do not end: the parser shows each one only when it is whole
            self.unparsed += len(data)
            if self.unparsed > self.limits.max_headers:
                self._refuse(self._too_large())

    # httptools

    def on_message_begin(self) -> None:
        self._next()

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.max_headers:
            self._stop(self._too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.head_bytes += len(name) + len(value) + 4
        if self.head_bytes + len(self.url) > self.limits.max_headers or len(self.headers) >= MAX_HEADERS:
            self._stop(self._too_large())
        if name == b"expect" and value.lower() == b"100-continue":
            self.expects = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers):
            self.upgrading = True  # the parser takes what follows for another protocol
            return
        path, raw_path, query = _urls.get(self.url) or _split(self.url)
        parser = self.parser
        version = parser.get_http_version()
        server, client = self.addresses
        scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "server": server,
            "client": client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        cycle = Cycle(self, scope, keep_alive=version != "1.0" and parser.should_keep_alive(), expects=self.expects)
        self.reading = cycle
        self.fresh = False
        self.unparsed = 0
        if self.running is None:
            self._run(cycle)
        else:
            self.queue.append(cycle)
            self.pause_reading()

    def on_body(self, body: bytes) -> None:
        cycle = self.reading
        if cycle is None or cycle.complete or cycle.gone:
            self._discard(len(body))
            return
        cycle.push(body)
        if cycle.held > BODY_HIGH_WATER:
            self.pause_reading()

    def on_message_complete(self) -> None:
        if self.upgrading:
            return
        cycle, self.reading = self.reading, None
        self.discarded = 0
        self.quiet = 0.0
        if cycle is not None:
            cycle.end_body()
            if cycle.complete and cycle is self.running:
                self._answered(cycle)

    # what a Cycle asks for

    def pause_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def answered(self, cycle: Cycle) -> None:
        """The last byte of an answer is written. What the client still sends of its request is read and dropped."""
        if self.reading is cycle and cycle.keep_alive:
            self.quiet = 0.0
            self.resume_reading()
            return
        self._answered(cycle)

    def _answered(self, cycle: Cycle) -> None:
        self.state.total_requests += 1
        self.running = None
        self.quiet = 0.0
        if not cycle.keep_alive or self.fault is not None:
            self.close()
        elif self.queue:
            self._run(self.queue.popleft())
        else:
            self.resume_reading()

    def close(self) -> None:
        """Close such that the client reads the answer: with bytes unread, the system would reset the connection."""
        if self.transport.is_closing():
            return
        if self.reading is None and self.fault is None:
            self.transport.close()
            return
        self.lingering = True
        self.quiet = 0.0
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()

    # asyncio's write flow control

    def pause_writing(self) -> None:
        self.quiet = 0.0
        if self.writable is None:
            self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        writable, self.writable = self.writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # what the server asks for

    @property
    def waits_for_a_request(self) -> bool:
        """Whether the client's first request, or the rest of its headers, is still to come."""
        return self.fresh and self.running is None and not self.transport.is_closing()

    def shutdown(self) -> None:
        """Close now if idle, after the running answer otherwise."""
        if self.running is None:
            self.transport.close()
        else:
            self.running.keep_alive = False

    def sweep(self, elapsed: float) -> None:
        """Count `elapsed` seconds and end what has taken too long."""
        self.quiet += elapsed
        if self.lingering:
            if self.quiet > LINGER:
                self.transport.abort()
        elif self.running is not None:
            if self.running.complete:
                if self.quiet > LINGER:
                    self.transport.abort()  # answered, and the rest of its body does not come
            elif self.writable is not None and self.quiet > self.limits.timeouts.body:
                self.transport.abort()  # the client takes nothing
        elif self.fresh:
            if self.quiet > self.limits.timeouts.header:
                limit = self.limits.timeouts.header
                self._refuse(RequestTimeout(f"No complete request within {limit:g} s: send the request line and headers at once."))
        elif self.quiet > self.limits.timeouts.keep_alive:
            self.transport.close()

    # inside

    def _run(self, cycle: Cycle) -> None:
        self.running = cycle
        cycle.start(self.app)

    def _without_upgrade(self, rest: bytes) -> None:
        """Read the request again as if it had not asked for another protocol, which a server may do (RFC 9110, 7.8).

        Java's HttpClient asks for h2c on every plain connection and sends its body at once.
        """
        if not self.upgrading:  # CONNECT
            self.fault = InvalidRequest("No other protocol is spoken here.")
            if self.running is not None:
                self.running.keep_alive = False
            return
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in self.headers if name not in (b"upgrade", b"connection", b"http2-settings")]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            lines.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(f"The request line and headers exceed {self.limits.max_headers} bytes or {MAX_HEADERS} headers.")

    def _stop(self, error: RequestError) -> None:
        self.fault = error
        raise error  # leaves the parser

    def _refuse(self, error: RequestError) -> None:
        """Answer `error` and read no more. A request that is being answered is answered first."""
        self.fault = error
        if self.running is not None:
            self.running.keep_alive = False
            if self.reading is self.running:
                self.running.leave()  # its body will never come
                self.transport.write(b"" if self.running.started else error_response(error))
                self.close()
            return
        if not self.transport.is_closing():
            self.transport.write(error_response(error))
            self.close()

    def _discard(self, count: int) -> None:
        self.quiet = 0.0
        self.discarded += count
        if self.discarded > DISCARDED:
            self.transport.abort()


def protocol_class(limits: Gateway) -> type[Protocol]:
    """The protocol with the limits of a configuration."""
    return type("GatewayProtocol", (Protocol,), {"limits": limits})


def _split(url: bytes) -> tuple[str, bytes, bytes]:
    """Path (decoded), path as sent, and query of a request target."""
    if url == b"*":
        return "*", b"*", b""
    parsed = httptools.parse_url(url)
    raw = parsed.path or b"/"
    found = (unquote(raw.decode("latin-1")) if b"%" in raw else raw.decode("latin-1")), raw, parsed.query or b""
    if len(_urls) < 256 and len(url) < 128:
        _urls[url] = found
    return found


def _not_http(data: bytes, error: Exception) -> str:
    if data[:2] == b"\x16\x03":
        return "This port speaks HTTP, not HTTPS: write http:// in the address."
    return f"The request is not valid HTTP/1.1: {str(error) or 'malformed'}."


def _pair(address: Any) -> Any:
    """A socket's address as ASGI wants it: (host, port), or (path, None)."""
    if isinstance(address, tuple):
        return str(address[0]), int(address[1])
    return (str(address), None) if address else None
