"""Refuses new requests while the gateway drains."""

from __future__ import annotations

from itertools import count
from secrets import token_hex

from server.errors import EngineUnavailable
from server.gateway.call import Call
from server.gateway.inflight import Drain

_PREFIX = token_hex(8)
_numbers = count(1)
_SANE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@")


class Admit:
    """Gives the request its id, and 503 with Retry-After while draining."""

    def __init__(self, drain: Drain) -> None:
        self.drain = drain

    def __call__(self, call: Call) -> None:
        give_id(call)
        if self.drain.active:
            call.closing = True
            raise EngineUnavailable("The server is shutting down: try again, it may be back soon.", retry_after=10, code="draining")


def give_id(call: Call) -> None:
    """The client's own X-Request-Id if it is one, else a new id."""
    for name, value in call.scope["headers"]:
        if name == b"x-request-id":
            if 0 < len(value) <= 128 and _SANE.issuperset(value):
                call.request_id = value
                return
            break
    call.request_id = new_request_id()


def new_request_id() -> bytes:
    """Unique among processes and within this one, and far cheaper than a UUID each."""
    return f"req_{_PREFIX}{next(_numbers):08x}".encode()
