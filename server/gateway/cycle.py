"""One request and its answer as ASGI: `receive` and `send` over a Protocol."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from server.errors import RequestError, error_body

if TYPE_CHECKING:
    from server.gateway.protocol import Protocol

STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in http.HTTPStatus}
NO_BODY = frozenset((204, 304))
INTERNAL = error_body("The gateway failed on this request. Its log has the cause.", "server_error", None, "internal_error")

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Cycle:
    """`complete`: the answer is out. `gone`: the client left. The head goes out with the body's first bytes, as ASGI says."""

    held = 0  # bytes in `chunks`
    more = True  # of the request's body
    told = False  # the application has all of it; from then on only a disconnect is news
    head = b""
    left = -1  # bytes still to send; -1: chunked; -2: until the connection closes
    started = False
    complete = False
    gone = False
    waiter: asyncio.Future[None] | None = None
    task: asyncio.Task[None] | None = None

    def __init__(self, protocol: Protocol, scope: Message, keep_alive: bool, expects: bool) -> None:
        self.protocol = protocol
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects = expects  # the client waits for 100 Continue
        self.chunks: list[bytes] = []

    def start(self, app: App) -> None:
        """Run the application on this request."""
        self.task = self.protocol.loop.create_task(self._run(app))
        self.protocol.state.tasks.add(self.task)

    async def _run(self, app: App) -> None:
        try:
            await self._answer(app)
        finally:  # cheaper than a callback of the task, which would go through the loop once more
            assert self.task is not None
            self.protocol.state.tasks.discard(self.task)
            if not self.complete and not self.gone:  # cancelled, or half an answer, which can only be cut off
                self.gone = True
                self.protocol.transport.abort()

    async def _answer(self, app: App) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            logging.getLogger("sllm").exception("%s %s failed", self.scope["method"], self.scope["path"])
        if self.complete or self.gone or self.started:
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(INTERNAL))]
        self.head = b""
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": INTERNAL})

    # from the protocol

    def push(self, body: bytes) -> None:
        self.chunks.append(body)
        self.held += len(body)
        self._wake()

    def end_body(self) -> None:
        self.more = False
        self._wake()

    def leave(self) -> None:
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ASGI

    async def receive(self) -> Message:
        """The body that has come, joined; then, once the client leaves or the answer is out, http.disconnect."""
        if self.expects and self.more and not self.chunks and not (self.started or self.gone):
            self.expects = False
            self.protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self.gone and not self.complete:
            if self.chunks or not (self.more or self.told):
                chunks, self.chunks, self.held = self.chunks, [], 0
                self.told = not self.more
                return {"type": "http.request", "body": chunks[0] if len(chunks) == 1 else b"".join(chunks), "more_body": self.more}
            self.protocol.resume_reading()
            if self.waiter is None:
                self.waiter = self.protocol.loop.create_future()
            await self.waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        protocol = self.protocol
        while protocol.writable is not None and not self.gone:
            await protocol.writable
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
            return
        if not self.head and not self.started:
            raise RuntimeError("http.response.body before http.response.start")
        if self.complete:
            raise RuntimeError("http.response.body after the end of the answer")
        body, more = message.get("body", b""), message.get("more_body", False)
        left = self.left
        if self.scope["method"] == "HEAD":
            body = b""
            left = 0
        elif left >= 0:
            left -= len(body)
            if left < 0 or (left and not more):
                raise RuntimeError("the answer's length is not its content-length")
            self.left = left
        elif left == -1:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            elif not more:
                body = b"0\r\n\r\n"
        if not self.started:
            self.started = True
            body = self.head + body
        if body:
            protocol.transport.write(body)
        if not more:
            self.complete = True
            self._wake()
            protocol.answered(self)

    def _start(self, status: int, headers: Any) -> None:
        if self.head:
            raise RuntimeError("http.response.start twice")
        parts = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        add = parts.extend
        framed = closing = False
        lines = 2
        for name, value in (*self.protocol.state.default_headers, *headers):
            if name == b"content-length":
                self.left = int(value)
                framed = True
            elif name == b"connection":
                closing = True
                if value.lower() == b"close":
                    self.keep_alive = False
            add((name, b": ", value, b"\r\n"))
            lines += 1
        if not framed:
            if status in NO_BODY or self.scope["method"] == "HEAD":
                self.left = 0
            elif self.scope["http_version"] == "1.0":
                self.left = -2
                self.keep_alive = False
            else:
                parts.append(b"transfer-encoding: chunked\r\n")
                lines += 1
        if not self.keep_alive and not closing:
            parts.append(b"connection: close\r\n")
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines:
            raise RuntimeError("a line end inside a header")
        self.head = head


def error_response(error: RequestError) -> bytes:
    """A whole answer, head and body, for a fault outside any request. It closes the connection."""
    body = error.body()
    line = STATUS_LINES[error.status]
    return line + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
