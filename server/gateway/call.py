"""One request on its way through the pipeline."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.cache.control import Control
    from server.cache.flight import Flight, Follower
    from server.cache.identity import Identity
    from server.cache.semantic.serve import Asked
    from server.errors import RequestError
    from server.gateway.catalogue import Target
    from server.gateway.inputs import Inputs
    from server.gateway.upstream.connection import Connection
    from server.guards.screening import Screening

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

EVENT_STREAM = b"text/event-stream"


class ClientGone(Exception):
    """The client closed its connection before its answer was whole."""


@dataclass(slots=True, eq=False)
class Call:
    """What the steps learn about a request and tell each other.

    `body` is what goes to the engine; `started` says that bytes of the answer have gone out, after which an
    error can only end the connection or be an event of the stream.
    """

    scope: Scope
    receive: Receive
    send: Send
    path: str
    when: float = field(default_factory=time.perf_counter)  # it began
    request_id: bytes = b""
    trace: bytes = b""  # W3C trace headers for the engine, as they go on the wire
    directs_cache: bool = False  # a header speaks to the cache
    body: bytes = b""
    model: str | None = None  # as the client wrote it
    stream: bool = False
    has_stream_options: bool = False
    include_usage: bool = False  # the client asked for the usage chunk
    strip_usage: bool = False  # take the usage chunk out of the stream
    target: Target | None = None
    connection: Connection | None = None
    cache: tuple[bytes, bytes] | None = None  # the answer's x-sllm-cache; None: the cache is off
    control: Control | None = None
    identity: Identity | None = None  # None: neither looked up nor kept
    asked: Asked | None = None  # what the semantic cache is to learn from its answer
    flight: Flight | None = None  # that it leads
    inputs: Inputs | None = None  # of embeddings
    follower: Follower | None = None  # of one that somebody else leads
    screening: Screening | None = None  # what its guards said; None: it has none
    blocked: bool = False  # a guard found something in the answer, or ended it
    refused: RequestError | None = None  # by a guard, while the engine was at work
    waits: bool = False  # for something else than an engine: its client is watched all the same
    status: int = 0
    first: float = 0.0  # perf_counter at the first byte sent; 0: none yet
    started: bool = False
    finished: bool = False  # the answer is whole and out
    gone: bool = False  # the client left before
    closing: bool = False  # the client's connection ends with this answer
    background: bool = False  # batch work: nobody waits for it, and it is in neither the log nor the requests' metrics
    watched: bool = False
    ticks: int = 0
    error_code: str | None = None
    failure: str = ""  # the kind of the upstream's failure that ended it
    prompt_tokens: int = 0
    completion_tokens: int = 0
