import asyncio
import contextlib
import json

import pytest

from benchmarks.load import Target, chat_request, check_answer, check_stream
from benchmarks.mock import Mock, answer, listen, stream_writes


async def exchange(target, path, body=None):
    """Status and body of one request, by a client that shares nothing with the mock or the load client."""
    if target.unix:
        reader, writer = await asyncio.open_unix_connection(target.unix)
    else:
        reader, writer = await asyncio.open_connection(target.host, target.port)
    data = json.dumps(body).encode() if body else b""
    writer.write(
        b"%s %s HTTP/1.1\r\nhost: mock\r\ncontent-length: %d\r\n\r\n" % (b"POST" if body else b"GET", path.encode(), len(data)) + data
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        found = b""
        while size := int(await reader.readline(), 16):
            found += await reader.readexactly(size)
            await reader.readexactly(2)
    else:
        found = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), found


async def leave_a_stream(target):
    """The transport of a client that has asked for a long stream and seen its beginning."""
    if target.unix:
        reader, writer = await asyncio.open_unix_connection(target.unix)
    else:
        reader, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(chat_request(target, 100_000))
    await reader.readuntil(b"\n\n")
    return writer


def chat(**more):
    return {"model": "mock", "messages": [{"role": "user", "content": "hello"}], **more}


@pytest.fixture
async def mock():
    return Mock()


@pytest.fixture(params=["tcp", "unix"])
async def target(request, mock, tmp_path):
    unix = str(tmp_path / "mock.sock") if request.param == "unix" else None
    server = await listen(mock, unix=unix)
    yield Target(unix=unix) if unix else Target(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()


async def test_a_chat_request_gets_a_whole_answer_with_usage(target, mock):
    status, body = await exchange(target, "/v1/chat/completions", chat())
    assert (status, body) == (200, answer())
    assert check_answer(status, body) is None
    assert mock.counts.requests == 1


async def test_a_stream_has_as_many_numbered_events_as_max_tokens_and_ends_in_done(target, mock):
    status, body = await exchange(target, "/v1/chat/completions", chat(stream=True, max_tokens=9))
    assert check_stream(9)(status, body) is None
    assert body.endswith(b"data: [DONE]\n\n")
    assert mock.counts.finished == 1


async def test_the_last_event_alone_has_a_finish_reason(target):
    _, body = await exchange(target, "/v1/chat/completions", chat(stream=True, max_tokens=3))
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    assert [e["choices"][0]["finish_reason"] for e in events] == [None, None, "length"]


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/control"])
async def test_what_routers_ask_a_worker_is_answered(target, path):
    status, body = await exchange(target, path)
    assert status == 200
    assert isinstance(json.loads(body), dict)


async def test_another_path_is_a_404_and_counted_apart(target, mock):
    status, _ = await exchange(target, "/v1/chat/completions/render", chat())
    assert (status, mock.counts.requests, mock.counts.others) == (404, 0, 1)


async def test_control_sets_the_pace_and_answers_the_counts(target, mock):
    _, body = await exchange(target, "/control?pace_ms=2.5")
    assert mock.pace == 0.0025
    assert json.loads(body)["requests"] == 0


async def test_a_stream_that_its_client_leaves_stops_and_is_counted(target, mock):
    mock.pace = 0.001
    with contextlib.closing(await leave_a_stream(target)):
        assert mock.counts.streams == 1
    while mock.running:
        await asyncio.sleep(0.01)
    assert (mock.counts.aborted, mock.counts.finished) == (1, 0)


def test_each_event_is_a_write_of_its_own():
    writes = stream_writes(4)
    assert [w.count(b'"content"') for w in writes] == [1, 1, 1, 1]
