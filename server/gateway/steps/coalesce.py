"""The same request at the same time: one goes to the engine, the others wait for its answer.

If it fails before an answer has begun, one of those that wait goes in its place; after a few failures, or one that the
others would only wait for again, all of them get the error. Those in the middle of a stream get it as an event.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable

from server.cache.flight import Flight, Follower
from server.cache.shapes import addressed, fits
from server.errors import RequestError, UpstreamError
from server.gateway.call import Call, ClientGone, Headers
from server.gateway.inflight import Drain
from server.gateway.kept import Kept
from server.gateway.replay import COALESCED, MISS, SSE, send_entry
from server.gateway.sse import UsageFilter, error_event
from server.gateway.steps.forward import STREAM_HEADERS, explain
from server.gateway.upstream.errors import UpstreamFailure
from server.gateway.usage import read_usage

ATTEMPTS = 3  # generations of one request before those who wait get the error
RESPONSES = "/v1/responses"


class Coalesce:
    def __init__(self, kept: Kept, drain: Drain) -> None:
        self.kept = kept
        self.flights = kept.flights
        self.running = kept.flights.running
        self.lead = kept.flights.lead
        self.drain = drain

    def __call__(self, call: Call) -> Awaitable[bool] | None:
        """None: this request goes to the engine, and others may wait for it."""
        identity, control = call.identity, call.control
        if identity is None or control is None or not control.write:
            return None
        running = self.running.get(identity.key)
        if running is None:  # as nearly always
            call.flight = self.lead(identity.key, not call.stream or tells_usage(call), 0, False, call.body)
            return None
        if control.read and control.max_age != 0 and self.flights.find(identity.key, wants_usage(call)) is running:
            return self._follow(call, running)
        # An answer that must be fresh is not waited for, and does not take the place of one that others may wait for.
        self._lead(call, alone=running.open and (running.usage or not tells_usage(call)))
        return None

    def _lead(self, call: Call, attempts: int = 0, alone: bool = False) -> None:
        assert call.identity is not None
        call.flight = self.lead(call.identity.key, tells_usage(call), attempts, alone, call.body)

    async def _follow(self, call: Call, flight: Flight) -> bool:
        follower = call.follower = flight.join()
        call.waits = True
        call.cache = COALESCED
        try:
            # An answer of /v1/responses repeats its request's `user` and `metadata`, which are not the same for all.
            alike = call.path != RESPONSES or call.body == flight.request
            if call.stream and alike:
                await follower.begun()
                if flight.chunks and flight.state != "failed" and not follower.gone:
                    await self._tail(call, follower)
                    return True
            await follower.ended()
            if follower.gone:
                raise ClientGone
        finally:
            flight.leave(follower)
            call.follower = None
            call.waits = False
        if flight.state == "done" and await self._whole(call, flight, alike):
            return True
        return await self._take_over(call, flight)

    async def _tail(self, call: Call, follower: Follower) -> None:
        """A stream from its start: what has come at once, then the rest as it comes."""
        assert call.target is not None
        usage = UsageFilter(not call.include_usage and call.path != RESPONSES)
        await self._start(call, 200, [SSE, *STREAM_HEADERS])
        try:
            while data := await follower.more():
                if out := usage.feed(data):
                    await call.send({"type": "http.response.body", "body": out, "more_body": True})
            end = usage.finish()
        except Exception as failure:
            error = self._error(call, failure)
            call.error_code = error.code
            end = error_event(error)
        if follower.gone:
            raise ClientGone
        await call.send({"type": "http.response.body", "body": end})
        call.finished = True
        if usage.usage and call.error_code is None:
            self.kept.metrics.saved(call.target.name, *usage.usage, follower.flight.took)

    async def _whole(self, call: Call, flight: Flight, alike: bool) -> bool:
        """The answer of a flight that has ended well. False: it is not complete after all."""
        assert call.target is not None
        if flight.whole is not None and not call.stream and alike:
            body = flight.whole.body
            counts = read_usage(body)
            await self._send(call, 200, call.inputs.answer(body) if call.inputs is not None else body, list(flight.whole.headers))
        else:
            entry = self.kept.entry(call, flight)
            if entry is None or not fits(entry, call.stream, call.include_usage):
                return False
            counts = entry.prompt_tokens, entry.completion_tokens
            await send_entry(call, addressed(entry, call.body), None)
        self.kept.metrics.saved(call.target.name, *counts, flight.took)
        return True

    async def _take_over(self, call: Call, flight: Flight) -> bool:
        """The leader failed and nothing has been sent here. False: this request goes to the engine now."""
        assert call.identity is not None
        if flight.final or self.drain.active or flight.attempts + 1 >= ATTEMPTS:
            if flight.whole is not None and flight.whole.status >= 400:
                call.error_code = flight.whole.code
                await self._send(call, flight.whole.status, flight.whole.body, list(flight.whole.headers))
                return True
            raise self._error(call, flight.failure)
        other = self.flights.find(call.identity.key, wants_usage(call))
        if other is not None:
            return await self._follow(call, other)
        call.cache = MISS
        self._lead(call, flight.attempts + 1)
        return False

    def _error(self, call: Call, failure: Exception | None) -> RequestError:
        assert call.target is not None
        if isinstance(failure, RequestError):
            return failure
        if isinstance(failure, UpstreamFailure):
            return explain(call.target.engine, failure)
        return UpstreamError("The same request was running, and ended without an answer: try again.")

    async def _send(self, call: Call, status: int, body: bytes, headers: Headers) -> None:
        await self._start(call, status, [*headers, (b"content-length", b"%d" % len(body))])
        await call.send({"type": "http.response.body", "body": body})
        call.finished = True

    async def _start(self, call: Call, status: int, headers: Headers) -> None:
        assert call.target is not None
        call.started = True
        call.status = status
        call.first = time.perf_counter()
        headers += ((b"x-request-id", call.request_id), call.target.header, COALESCED)
        await call.send({"type": "http.response.start", "status": status, "headers": headers})


def wants_usage(call: Call) -> bool:
    """Whether the answer must tell its tokens: a whole one always does."""
    return not call.stream or call.include_usage or call.path == RESPONSES


def tells_usage(call: Call) -> bool:
    """Whether the engine will: a stream only when it is asked to."""
    return wants_usage(call) or call.strip_usage
