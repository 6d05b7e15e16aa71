"""Bad HTTP gets an OpenAI error, and the next request is served as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from tests.scripted import Scripted, sse
from tests.server.gateway.conftest import Gateways, Running, post

CHAT = "/v1/chat/completions"
ASK = b'{"model":"m","messages":[]}'
QUICK = {"timeouts": {"header": "300ms", "body": "300ms", "keep_alive": "300ms"}}


def parts(answer: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
    """Status, headers and error object."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return int(first.split()[1]), headers, json.loads(body)["error"]


async def serves(running: Running) -> None:
    assert (await running.exchange(post(CHAT, ASK))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", "not HTTPS"),
        (b"nonsense\r\n\r\n", "not valid HTTP"),
        (b"GET / HTTP/9.9\r\n\r\n", "not valid HTTP"),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", "not valid HTTP"),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "not valid HTTP"),
        (b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n", "not valid HTTP"),
    ],
)
async def test_what_is_not_http(data: bytes, hint: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        status, _, error = parts(await running.exchange(data))
        await serves(running)
    assert (status, error["code"]) == (400, "invalid_http")
    assert hint in error["message"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 300 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["one long", "one without end", "many", "a long target"],
)
async def test_a_header_bomb_gets_431(data: bytes, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        status, _, error = parts(await running.exchange(data))
        await serves(running)
    assert (status, error["code"]) == (431, "headers_too_large")


async def test_headers_that_drip_get_408(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, gateway=QUICK) as running:
        status, _, error = parts(await running.exchange(b"GET /health HT"))
        await serves(running)
    assert (status, error["code"]) == (408, "request_timeout")


async def test_a_connection_that_says_nothing_is_closed(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, gateway=QUICK) as running:
        assert (await running.exchange(b"")).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed_without_a_word(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, gateway=QUICK) as running:
        answer = await running.exchange(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_content_length_that_promises_more_gets_408(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, gateway=QUICK) as running:
        status, headers, error = parts(await running.exchange(b"POST %b HTTP/1.1\r\ncontent-length: 99\r\n\r\n{" % CHAT.encode()))
        await serves(running)
    assert (status, headers["connection"]) == (408, "close")
    assert "after 1 bytes" in error["message"]
    assert "x-request-id" in headers


async def test_a_content_length_that_promises_less_gets_400(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        status, _, error = parts(await running.exchange(b"POST %b HTTP/1.1\r\ncontent-length: 9\r\n\r\n%b" % (CHAT.encode(), ASK)))
        await serves(running)
    assert status == 400
    assert error["code"] in ("invalid_http", "invalid_json")


@pytest.mark.parametrize("framing", ["content-length", "chunked", "expect"])
async def test_a_body_over_the_limit_gets_413(framing: str, engine: Scripted, gateway: Gateways) -> None:
    """The client reads the answer although it is still sending: the connection is not reset."""
    size = 8 * 2**20
    async with gateway(engine, gateway={"max_body": "1MiB"}) as running:
        head = b"POST %b HTTP/1.1\r\nhost: x\r\n" % CHAT.encode()
        if framing == "chunked":
            reader, writer = await running.raw(head + b"transfer-encoding: chunked\r\n\r\n")
            pieces = [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * (size // 65536) + [b"0\r\n\r\n"]
        elif framing == "expect":
            reader, writer = await running.raw(head + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % size)
            pieces = []
        else:
            reader, writer = await running.raw(head + b"content-length: %d\r\n\r\n" % size)
            pieces = [b"x" * 65536] * (size // 65536)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        status, _, error = parts(await asyncio.wait_for(reader.read(), 20))
        writer.close()
        await serves(running)
    assert (status, error["code"]) == (413, "body_too_large")
    assert "1MiB" in error["message"]


async def test_expect_100_continue(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        reader, writer = await running.raw(
            b"POST %b HTTP/1.1\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(ASK))
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(ASK)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_chunked_body_in_pieces(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        reader, writer = await running.raw(b"POST %b HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n" % CHAT.encode())
        for byte in ASK:
            writer.write(b"1\r\n%c\r\n" % byte)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert engine.requests[0].body == ASK


async def test_a_request_in_single_bytes(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        reader, writer = await running.raw()
        for byte in post(CHAT, ASK):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_damaged_requests_never_upset_the_gateway(engine: Scripted, gateway: Gateways, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(7)
    async with gateway(engine, gateway=QUICK) as running:

        async def damaged() -> bytes:
            data = bytearray(post(CHAT, ASK, "expect: 100-continue", "transfer-encoding: identity") * chance.randint(1, 3))
            for _ in range(chance.randint(1, 6)):
                place = chance.randrange(len(data))
                data[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            return await running.exchange(bytes(data))

        answers = await asyncio.gather(*(damaged() for _ in range(150)))
        await serves(running)
        assert running.app.inflight.calls == set()
    assert all(a.startswith(b"HTTP/1.1 ") for a in answers if a)
    assert caplog.text == ""


async def test_pipelined_requests_are_answered_in_order(engine: Scripted, gateway: Gateways) -> None:
    first = b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(ASK), ASK)
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    async with gateway(engine) as running:
        answer = await running.exchange(first * 3 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.endswith(b'{"status":"ok"}')


async def test_garbage_behind_a_running_stream_does_not_cut_it(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = sse(["a", "b"], gate=gate)
    body = b'{"model":"m","stream":true}'
    async with gateway(engine) as running:
        reader, writer = await running.raw(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
        await reader.readuntil(b"\n\n")
        writer.write(b"\x00garbage\r\n\r\n")
        await writer.drain()
        gate.set()
        rest = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_http_1_0_gets_no_chunks(engine: Scripted, gateway: Gateways) -> None:
    engine.script = sse(["a"])
    body = b'{"model":"m","stream":true}'
    async with gateway(engine) as running:
        answer = await running.exchange(b"POST %b HTTP/1.0\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


async def test_an_upgrade_is_answered_as_a_plain_request(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        answer = await running.exchange(post(CHAT, ASK, "connection: upgrade, http2-settings", "upgrade: h2c"))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_compressed_body_is_refused_by_name(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        status, _, error = parts(await running.exchange(post(CHAT, b"\x1f\x8b", "content-encoding: gzip")))
    assert (status, error["code"]) == (400, "unsupported_encoding")


async def test_an_exception_of_the_application_is_a_500(engine: Scripted, gateway: Gateways, caplog: pytest.LogCaptureFixture) -> None:
    async with gateway(engine) as running:

        async def broken(*asgi: object) -> None:
            raise RuntimeError("boom")

        running.app.direct["GET", "/broken"] = broken
        status, _, error = parts(await running.exchange(b"GET /broken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    assert (status, error["code"]) == (500, "internal_error")
    assert "boom" in caplog.text
