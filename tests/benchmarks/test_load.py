import asyncio
import json

import pytest

from benchmarks.load import BODY_BYTES, Target, chat_request, check_answer, check_stream, load
from benchmarks.mock import Mock, answer, event, listen, respond, stream_writes

DONE = b"data: [DONE]\n\n"


def events(*numbers):
    return b"".join(event(n, last=False) for n in numbers) + DONE


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (events(0, 1, 2, 3), None),
        (events(0, 1, 3), "lost event"),
        (events(0, 1, 2), "lost event"),
        (events(0, 2, 1, 3), "event out of order"),
        (events(0, 1, 1, 2, 3), "event twice"),
        (events(0, 1, 2, 3) + DONE, "event twice"),
        (events(0, 1, 2, 3).removesuffix(DONE), "no [DONE] at the end"),
        (DONE + events(0, 1, 2, 3).removesuffix(DONE), "no [DONE] at the end"),
        (b"", "lost event"),
    ],
)
def test_a_stream_is_right_only_with_every_event_once_in_order_and_done_last(body, wrong):
    assert check_stream(4)(200, body) == wrong


def test_a_wrong_status_is_wrong_whatever_the_body():
    assert check_stream(2)(503, events(0, 1)) == "status 503"
    assert check_answer(500, answer()) == "status 500"


@pytest.mark.parametrize("body", [answer()[:-1], answer()[:100], b"", b"{}", b'{"choices":[]}', b"null"])
def test_an_answer_that_is_not_whole_is_wrong(body):
    assert check_answer(200, body) == "not a whole answer"


@pytest.mark.parametrize("count", [0, 1, 66, 1000])
def test_a_request_body_has_the_stated_size(count):
    head, _, body = chat_request(Target(1), count).partition(b"\r\n\r\n")
    assert len(body) == BODY_BYTES
    assert json.loads(body).get("stream", False) is bool(count)
    assert f"content-length: {BODY_BYTES}".encode() in head


@pytest.fixture
async def mock():
    return Mock()


@pytest.fixture
async def target(mock):
    server = await listen(mock)
    yield Target(server.sockets[0].getsockname()[1])
    server.close()


@pytest.fixture
async def scripted():
    """A server that answers every request with the given writes, then may close."""
    servers = []

    async def start(*writes, close=False):
        async def serve(reader, writer):
            while await reader.read(65536):
                for data in writes:
                    writer.write(data)
                    await writer.drain()
                if close:
                    break
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return Target(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


async def test_a_limit_is_sent_exactly_and_every_answer_has_its_latencies(target, mock):
    result = await load(target, chat_request(target), check_answer, concurrency=4, limit=50)
    assert (result.requests, len(result.latencies), len(result.first_bytes), mock.counts.requests) == (50, 50, 50, 50)
    assert not result.errors


async def test_connections_are_kept(target, mock):
    await load(target, chat_request(target), check_answer, concurrency=4, limit=50)
    assert mock.counts.connections == 4


async def test_streams_run_at_once_and_are_checked(target, mock):
    mock.pace = 0.001
    result = await load(target, chat_request(target, 20), check_stream(20), concurrency=30, limit=60)
    assert (result.requests, mock.counts.peak, dict(result.errors)) == (60, 30, {})


async def test_a_run_by_time_ends(target):
    result = await load(target, chat_request(target), check_answer, concurrency=2, seconds=0.05)
    assert result.requests > 0
    assert result.seconds >= 0.05


async def test_fewer_requests_than_connections_end_too(target):
    assert (await load(target, chat_request(target), check_answer, concurrency=8, limit=3)).requests == 3


async def test_an_answer_in_pieces_of_one_byte_is_read(scripted):
    target = await scripted(*[bytes([b]) for b in b"".join(stream_writes(2))])
    result = await load(target, chat_request(target, 2), check_stream(2), concurrency=1, limit=2)
    assert (result.requests, dict(result.errors)) == (2, {})


async def test_a_lost_event_on_the_wire_is_counted_and_is_no_success(scripted):
    writes = stream_writes(5)
    target = await scripted(*writes[:2], *writes[3:])
    result = await load(target, chat_request(target, 5), check_stream(5), concurrency=2, limit=6)
    assert (result.requests, dict(result.errors)) == (0, {"lost event": 6})


async def test_events_out_of_order_on_the_wire_are_counted(scripted):
    first, second, third, last = stream_writes(4)
    target = await scripted(first, third, second, last)
    result = await load(target, chat_request(target, 4), check_stream(4), concurrency=1, limit=3)
    assert (result.requests, dict(result.errors)) == (0, {"event out of order": 3})


async def test_a_wrong_status_on_the_wire_is_counted(scripted):
    target = await scripted(respond(answer(), "503 Service Unavailable"))
    result = await load(target, chat_request(target), check_answer, concurrency=1, limit=3)
    assert (result.requests, dict(result.errors)) == (0, {"status 503": 3})


async def test_a_connection_that_breaks_inside_an_answer_is_counted(scripted):
    target = await scripted(b"".join(stream_writes(3))[:-20], close=True)
    result = await load(target, chat_request(target, 3), check_stream(3), concurrency=2, limit=4)
    assert (result.requests, dict(result.errors)) == (0, {"connection lost": 2})


async def test_what_is_not_http_is_counted(scripted):
    target = await scripted(b"220 mail ready\r\n")
    result = await load(target, chat_request(target), check_answer, concurrency=1, limit=1)
    assert dict(result.errors) == {"not HTTP": 1}


async def test_a_server_that_never_answers_is_counted(scripted):
    target = await scripted(b"")
    result = await load(target, chat_request(target), check_answer, concurrency=3, limit=3, timeout=0.1)
    assert (result.requests, dict(result.errors)) == (0, {"no answer in time": 3})
