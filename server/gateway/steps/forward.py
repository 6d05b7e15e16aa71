"""Bytes to the engine, bytes back.

Retried, while no byte went to the client: on a fresh connection if a pooled one had been closed by the engine
meanwhile; on another upstream if one refuses, breaks off, sends what is not HTTP, or answers 502, 503 or 504.
A generation that ran twice costs tokens but harms nothing. An engine that is silent for too long is not asked
again elsewhere: the client has waited long enough, and the others would get the load.

Where others may wait for the same answer (server/cache/flight.py), the engine's bytes are noted on their way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from server.cache.flight import Flight, Follower, Whole
from server.errors import EngineUnavailable, RequestError, UpstreamError, UpstreamTimeout
from server.gateway.answers import JSON, normalise
from server.gateway.body import with_priority
from server.gateway.call import EVENT_STREAM, Call, ClientGone, Headers
from server.gateway.catalogue import Engine
from server.gateway.sse import UsageFilter, error_event
from server.gateway.upstream.balance import Upstream
from server.gateway.upstream.connection import Connection
from server.gateway.upstream.errors import Left, Refused, Silent, Stale, UpstreamFailure
from server.gateway.usage import read_usage

BUSY = frozenset((502, 503, 504))
SAME_FOR_ALL = frozenset((400, 404, 405, 413, 415, 422))  # refusals that the same request would meet again
STREAM_HEADERS: Headers = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]  # nginx holds streams back otherwise

Message = dict[str, Any]
CountError = Callable[[str, str], None]  # model, kind


class Forward:
    def __init__(self, retries: int, count_error: CountError, priority: int) -> None:
        """`priority` is what batch work carries towards engines that schedule by it."""
        self.retries = retries
        self.priority = priority
        self.count_error = count_error

    async def __call__(self, call: Call) -> bool:
        assert call.target is not None
        engine = call.target.engine
        if call.background:
            if engine.takes_priority:
                call.body = with_priority(call.body, self.priority)
        elif engine.lane is not None:
            engine.lane.began(len(call.body))
            try:
                return await self._forward(call, engine)
            finally:
                engine.lane.ended()
        return await self._forward(call, engine)

    async def _forward(self, call: Call, engine: Engine) -> bool:
        balancer = engine.balancer
        tried: list[Upstream] = []
        failure: UpstreamFailure | None = None
        while True:
            upstream = balancer.pick(tried) if balancer else None
            if upstream is None or balancer is None:
                raise explain(engine, failure)
            upstream.outstanding += 1
            try:
                last = len(tried) >= self.retries or len(tried) + 1 >= len(balancer.upstreams)
                if await self._try(call, upstream, last):
                    broke_off = call.status == 200 and call.error_code is not None  # in the middle of a stream
                    if broke_off or call.status in BUSY:
                        balancer.failed(upstream)
                    else:
                        balancer.succeeded(upstream)
                    return True
                balancer.failed(upstream)
            except Left:
                raise ClientGone from None
            except UpstreamFailure as error:
                failure = error
                balancer.failed(upstream)
                self.count_error(engine.name, error.kind)
                if last or isinstance(error, Silent):
                    call.failure = error.kind
                    raise explain(engine, error) from None
            finally:
                upstream.outstanding -= 1
            tried.append(upstream)

    async def _try(self, call: Call, upstream: Upstream, last: bool) -> bool:
        """One upstream. False: it is busy and another one may be asked. Raises UpstreamFailure."""
        assert call.target is not None
        connection = await self._exchange(call, upstream)
        try:
            kind = connection.content_type
            if connection.status == 200 and kind.startswith(EVENT_STREAM):
                await self._stream(call, connection, kind)
                return True
            if connection.status in BUSY:
                self.count_error(call.target.engine.name, str(connection.status))
                if not last:
                    return False
            await self._whole(call, connection, kind)
            return True
        finally:
            call.connection = None
            upstream.pool.release(connection)

    async def _exchange(self, call: Call, upstream: Upstream) -> Connection:
        """A connection with the answer's headers read."""
        body = call.body
        head = b"%b%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (upstream.head(call.path), call.trace, call.request_id, len(body))
        fresh = False
        while True:
            connection = await upstream.pool.acquire(fresh)
            call.connection = connection
            if call.stream and call.screening is not None:  # runs when the request is on its way
                asyncio.get_running_loop().call_soon(call.screening.prepare)
            try:
                await connection.exchange(head, body)
                return connection
            except Stale:
                upstream.pool.release(connection)
                call.connection = None
                fresh = True
            except BaseException:
                call.connection = None
                upstream.pool.release(connection)
                raise

    async def _whole(self, call: Call, connection: Connection, kind: bytes) -> None:
        """An answer in one piece: kept until it is complete, so that a broken one is still a clean 502."""
        body = await connection.rest()
        status = connection.status
        assert call.target is not None
        if status >= 400:
            body, call.error_code = normalise(status, body, call.path, call.target.name)
            headers = [JSON]
            headers += [(name, value) for name, value in connection.headers if name == b"retry-after"]
        else:
            headers = [(b"content-type", kind)] if kind else []
            call.prompt_tokens, call.completion_tokens = read_usage(body)
        if call.flight is not None:
            whole = Whole(status, body, tuple(headers), call.error_code)
            if status == 200:
                call.flight.finish(whole)
            else:
                _share_error(call.flight, whole)
        if call.inputs is not None and status == 200:
            body = call.inputs.answer(body)
        headers += ((b"content-length", b"%d" % len(body)), (b"x-request-id", call.request_id), call.target.header)
        if call.cache is not None:
            headers.append(call.cache)
        call.started = True
        call.status = status
        call.first = time.perf_counter()
        await call.send({"type": "http.response.start", "status": status, "headers": headers})
        await call.send({"type": "http.response.body", "body": body})
        call.finished = True

    async def _stream(self, call: Call, connection: Connection, kind: bytes) -> None:
        """An event stream, passed on as it arrives."""
        assert call.target is not None
        send, read = call.send, connection.read
        usage = UsageFilter(call.strip_usage)
        feed = usage.feed
        data = await read()  # a break before the first event may still be tried elsewhere
        call.started = True
        call.status = 200
        call.first = time.perf_counter()
        if (lane := call.target.engine.lane) is not None and not call.background:
            lane.first(len(call.body), call.first - call.when)
        headers = [(b"content-type", kind), *STREAM_HEADERS, (b"x-request-id", call.request_id), call.target.header]
        if call.cache is not None:
            headers.append(call.cache)
        start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
        try:
            if call.flight is not None and data:
                await _lead(call, call.flight, start, data, connection, feed)
            else:
                await send(start)
                while data:
                    if out := feed(data):
                        await send({"type": "http.response.body", "body": out, "more_body": True})
                    data = await read()
            end = usage.finish()
        except Left:
            raise
        except UpstreamFailure as failure:
            if call.flight is not None:
                call.flight.fail(failure, final=isinstance(failure, Silent))
            self.count_error(call.target.engine.name, failure.kind)
            error = explain(call.target.engine, failure)
            call.error_code = error.code
            end = error_event(error)
        if usage.usage:
            call.prompt_tokens, call.completion_tokens = usage.usage
        await send({"type": "http.response.body", "body": end})
        call.finished = True


def _share_error(flight: Flight, whole: Whole) -> None:
    """Tell those who wait for the same. An error that comes of the engine's state may be another for the next one."""
    flight.whole = whole
    flight.fail(None, final=whole.status in SAME_FOR_ALL)


async def _lead(call: Call, flight: Flight, start: Message, data: bytes, connection: Connection, feed: Callable[[bytes], bytes]) -> None:
    """Pass a stream on and note it. Once somebody follows, a task of the flight reads, and this one only listens."""
    send, read = call.send, connection.read
    flight.read = read
    message: Message | None = start
    while data:
        flight.feed(data)
        sent = len(flight.chunks)
        if flight.listeners:
            flight.hand_over()
        flight.busy = True  # whoever joins while this client takes its time has the reading handed over
        if message is not None:
            await send(message)
            message = None
        if out := feed(data):
            await send({"type": "http.response.body", "body": out, "more_body": True})
        flight.busy = False
        if flight.reading is not None:
            await _listen(call, flight, flight.reading, sent, feed)
            return
        data = await read()
    flight.finish()


async def _listen(call: Call, flight: Flight, reading: asyncio.Task[None], sent: int, feed: Callable[[bytes], bytes]) -> None:
    """The rest of a stream after its first `sent` chunks. A client that is gone takes nothing, and the work goes on."""
    follower = Follower(flight)
    follower.at = sent
    try:
        while data := await follower.more():
            if out := feed(data):
                await call.send({"type": "http.response.body", "body": out, "more_body": True})
    finally:
        flight.unlisten(follower)
        reading.cancel()  # over, unless this request was cancelled: then its connection goes too


def explain(engine: Engine, failure: UpstreamFailure | None) -> RequestError:
    """What the client is told."""
    name = f"model '{engine.name}'"
    if failure is None:
        return EngineUnavailable(f"{name} has no engine yet: try again, or watch GET /ready")
    if isinstance(failure, Silent):
        return UpstreamTimeout(f"The engine of {name} gave {failure}: ask for less, or raise gateway.timeouts in the configuration.")
    if isinstance(failure, Refused):
        if engine.ours:
            return EngineUnavailable(f"The engine of {name} takes no connections ({failure}): it may be restarting; watch GET /ready.")
        return UpstreamError(f"No upstream of {name} can be reached ({failure}): check that it runs and its address under `upstreams`.")
    return UpstreamError(f"The engine of {name} broke off ({failure}): try again; its log says why.")
