import asyncio
from pathlib import Path

import pytest

from server.engine import client


async def serve(tmp_path: Path, answer: bytes) -> tuple[asyncio.Server, str, list[bytes]]:
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = tmp_path / "s"
    return await asyncio.start_unix_server(handle, path), f"unix:{path}", asked


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\n\r\n{"a":1}',
    ],
)
async def test_an_answer_is_read_however_it_is_framed(tmp_path: Path, answer: bytes) -> None:
    server, address, _ = await serve(tmp_path, answer)
    async with server:
        assert (await client.request(address, "GET", "/x", timeout=5)).json() == {"a": 1}


async def test_a_body_is_sent_as_json(tmp_path: Path) -> None:
    server, address, asked = await serve(tmp_path, b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
    async with server:
        assert (await client.request(address, "POST", "/x", {"a": 1}, timeout=5)).status == 204
    assert asked[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert b"content-length: 8" in asked[0]


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_half_an_answer_is_a_connection_error(tmp_path: Path, answer: bytes) -> None:
    server, address, _ = await serve(tmp_path, answer)
    async with server:
        with pytest.raises(ConnectionError, match="no whole answer"):
            await client.request(address, "GET", "/x", timeout=5)


async def test_silence_is_a_timeout(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(handle, tmp_path / "s"):
        with pytest.raises(TimeoutError):
            await client.request(f"unix:{tmp_path}/s", "GET", "/x", timeout=0.05)


async def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await client.request(f"unix:{tmp_path}/none", "GET", "/x", timeout=1)
