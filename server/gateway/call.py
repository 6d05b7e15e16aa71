"""One request on its way through the pipeline."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.gateway.catalogue import Target
    from server.gateway.upstream.connection import Connection

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

EVENT_STREAM = b"text/event-stream"


class ClientGone(Exception):
    """The client closed its connection before its answer was whole."""


class Call:
    """What the steps learn about a request and tell each other.

    `body` is what goes to the engine; `started` says that bytes of the answer have gone out, after which an
    error can only end the connection or be an event of the stream.
    """

    __slots__ = (
        "body",
        "closing",
        "completion_tokens",
        "connection",
        "error_code",
        "finished",
        "first",
        "gone",
        "has_stream_options",
        "include_usage",
        "model",
        "path",
        "prompt_tokens",
        "receive",
        "request_id",
        "scope",
        "send",
        "started",
        "status",
        "stream",
        "strip_usage",
        "target",
        "ticks",
        "trace",
        "watched",
        "when",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.path = path
        self.when = time.perf_counter()
        self.first = 0.0  # perf_counter at the first byte sent; 0: none yet
        self.request_id = b""
        self.trace = b""  # W3C trace headers for the engine, as they go on the wire
        self.body = b""
        self.model: str | None = None  # as the client wrote it
        self.stream = False
        self.include_usage = False  # the client asked for the usage chunk
        self.has_stream_options = False
        self.strip_usage = False  # take the usage chunk out of the stream
        self.target: Target | None = None
        self.connection: Connection | None = None
        self.status = 0
        self.started = False
        self.finished = False  # the answer is whole and out
        self.closing = False  # the client's connection ends with this answer
        self.gone = False
        self.watched = False
        self.ticks = 0
        self.error_code: str | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
