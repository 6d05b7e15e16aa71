"""Reads the body as bytes and looks at the fields that decide where it goes."""

from __future__ import annotations

import asyncio

from server.cache.control import HEADERS as CACHE_HEADERS
from server.errors import BodyTooLarge, InvalidRequest, RequestTimeout
from server.gateway.body import asks_usage, peek
from server.gateway.call import Call, ClientGone
from server.settings import Gateway
from server.units import show_size

HEARD = frozenset((b"content-length", b"content-encoding", b"traceparent", b"tracestate", *CACHE_HEADERS))


class Parse:
    """Raises BodyTooLarge, RequestTimeout, InvalidRequest."""

    def __init__(self, limits: Gateway) -> None:
        self.max_body = limits.max_body
        self.silence = limits.timeouts.body

    async def __call__(self, call: Call) -> None:
        for name, value in call.scope["headers"]:
            if name not in HEARD:
                continue
            if name == b"content-length":
                if int(value) > self.max_body:
                    raise self._too_large(f"{int(value)} bytes")
            elif name in CACHE_HEADERS:
                call.directs_cache = True
            elif name != b"content-encoding":
                call.trace += b"%b: %b\r\n" % (name, value)
            elif value.lower() != b"identity":
                shown = value.decode("latin-1")[:40]
                raise InvalidRequest(f"Content-Encoding '{shown}' is not taken: send the body uncompressed.", code="unsupported_encoding")
        message = await call.receive()
        if message.get("more_body"):
            body = await self._rest(call, message["body"])
        elif message["type"] == "http.disconnect":
            raise ClientGone
        else:
            body = message.get("body", b"")
        seen = peek(body)
        call.body = body
        call.model = seen.model
        if seen.stream:
            call.stream = True
            call.include_usage = asks_usage(seen.stream_options)
            call.has_stream_options = bool(bytes(seen.stream_options))

    async def _rest(self, call: Call, first: bytes) -> bytes:
        """A body that comes in several pieces."""
        pieces, held = [first], len(first)
        more = True
        while more:
            try:
                async with asyncio.timeout(self.silence):
                    message = await call.receive()
            except TimeoutError:
                raise RequestTimeout(
                    f"The body stopped after {held} bytes, for {self.silence:g} s: send all that Content-Length announces."
                ) from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            pieces.append(message["body"])
            held += len(message["body"])
            if held > self.max_body:
                raise self._too_large("more")
            more = message["more_body"]
        return b"".join(pieces)

    def _too_large(self, has: str) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body has {has}; the limit is {show_size(self.max_body)}: send less, or raise gateway.max_body in the configuration."
        )
