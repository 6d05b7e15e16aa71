"""A client that leaves ends the engine's work."""

from __future__ import annotations

import asyncio

from tests.scripted import Reply, Request, Scripted, sse
from tests.server.gateway.conftest import Gateways

BODY = b'{"model":"m","stream":%b}'


def request(stream: bytes) -> bytes:
    body = BODY % stream
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def logged(running) -> dict[str, object]:
    while not running.log:
        await asyncio.sleep(0.005)
    return running.log[0]


async def test_leaving_a_stream_closes_the_engines_connection(engine: Scripted, gateway: Gateways) -> None:
    engine.script = sse(["a", "b"], gate=asyncio.Event())
    async with gateway(engine) as running:
        reader, writer = await running.raw(request(b"true"))
        await reader.readuntil(b"\n\n")
        engine.closed.clear()
        writer.close()
        await asyncio.wait_for(engine.closed.wait(), 5)
        line = await logged(running)
    assert (line["status"], line["disconnected"]) == (499, True)


async def test_leaving_before_the_answer_closes_the_engines_connection(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await asyncio.sleep(60)

    engine.script = script
    async with gateway(engine) as running:
        _, writer = await running.raw(request(b"false"))
        await engine.got.wait()
        engine.closed.clear()
        writer.close()
        await asyncio.wait_for(engine.closed.wait(), 5)
        line = await logged(running)
    assert (line["status"], line["disconnected"]) == (499, True)


async def test_leaving_while_the_body_is_on_the_way(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        _, writer = await running.raw(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99\r\n\r\n{")
        writer.close()
        line = await logged(running)
    assert (line["status"], line["disconnected"]) == (499, True)
    assert engine.requests == []


async def test_an_answered_request_is_no_disconnect(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = sse(["a", "b"], gate=gate)
    async with gateway(engine) as running:
        reader, writer = await running.raw(request(b"true"))
        await reader.readuntil(b"\n\n")
        while not running.app.inflight.watchers:
            await asyncio.sleep(0.005)
        gate.set()
        await reader.readuntil(b"0\r\n\r\n")
        line = await logged(running)
        writer.close()
        while running.app.inflight.watchers:
            await asyncio.sleep(0.005)
    assert line["status"] == 200
    assert "disconnected" not in line
