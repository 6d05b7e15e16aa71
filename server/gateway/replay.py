"""Sends an answer that was kept, in the shape that the client asked for."""

from __future__ import annotations

import asyncio
import time

from server.cache.entry import Entry
from server.cache.shapes import paced, stream_of
from server.gateway.answers import JSON
from server.gateway.call import Call, ClientGone, Headers
from server.gateway.steps.forward import STREAM_HEADERS

SSE = (b"content-type", b"text/event-stream; charset=utf-8")
HIT, SEMANTIC, COALESCED, MISS, BYPASS = ((b"x-sllm-cache", said) for said in (b"hit", b"semantic", b"coalesced", b"miss", b"bypass"))


async def send_entry(call: Call, entry: Entry, age: int | None, at_its_pace: bool = False) -> None:
    """`age`: whole seconds since the answer was made; None where it has just been."""
    if call.stream and entry.kind != "embeddings":
        if at_its_pace:
            await _send_paced(call, entry, age)
            return
        body = stream_of(entry, call.include_usage)
        headers = [SSE, *STREAM_HEADERS]
    else:
        body = entry.body
        headers = [JSON]
    headers.append((b"content-length", b"%d" % len(body)))
    await _start(call, headers, age)
    await call.send({"type": "http.response.body", "body": body})
    call.finished = True


async def _send_paced(call: Call, entry: Entry, age: int | None) -> None:
    call.waits = True  # its client may leave meanwhile
    await _start(call, [SSE, *STREAM_HEADERS], age)
    for pause, data in paced(entry, call.include_usage):
        if pause:
            await asyncio.sleep(pause)
        if call.gone:
            raise ClientGone
        await call.send({"type": "http.response.body", "body": data, "more_body": True})
    await call.send({"type": "http.response.body", "body": b""})
    call.finished = True


async def _start(call: Call, headers: Headers, age: int | None) -> None:
    assert call.target is not None
    assert call.cache is not None
    headers += ((b"x-request-id", call.request_id), call.target.header, call.cache)
    if age is not None:
        headers.append((b"age", b"%d" % age))
    call.started = True
    call.status = 200
    call.first = time.perf_counter()
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
