"""An instant OpenAI server: canned answers, made to cost as little as possible.

    python -m benchmarks.mock --port 9000        # or --unix /tmp/mock.sock

A chat request gets one JSON answer with usage, or, with `"stream": true`, `max_tokens` numbered events and [DONE];
with `"metadata": {"prose": "en"}` (or ko) the events are the tokens of an ordinary text instead (prose.py).
Like an engine, it streams in steps: each step writes one event to each running stream, in a write of its own.
`GET /control?pace_ms=50` sets the pause between steps (0: as fast as it can); `GET /control` answers the counts.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import re
import resource
import signal
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs

import httptools
import uvloop

from benchmarks.prose import TEXTS, tokens

MODEL = "mock"
CREATED = 1_700_000_000


def event(number: int, last: bool, content: str | None = None) -> bytes:
    """The stream's `number`th event (from 0), as vLLM writes one: about 190 bytes."""
    content = f"t{number} " if content is None else content
    choice = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": "length" if last else None}
    data = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL, "choices": [choice]}
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def answer() -> bytes:
    """The whole answer of a chat request, about 330 bytes."""
    message = {"role": "assistant", "content": "An instant answer of the mock engine, always the same."}
    usage = {"prompt_tokens": 12, "completion_tokens": 12, "total_tokens": 24}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    data = {"id": "chatcmpl-mock", "object": "chat.completion", "created": CREATED, "model": MODEL, "choices": [choice], "usage": usage}
    return json.dumps(data, separators=(",", ":")).encode()


def respond(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@functools.lru_cache(maxsize=64)
def stream_writes(events: int, prose: str = "") -> tuple[bytes, ...]:
    """What a stream of `events` events writes: the head with the first event, then one event a write, [DONE] with the last."""
    contents: list[str] | list[None] = tokens(prose, events) if prose in TEXTS else [None] * events

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    writes = [chunk(event(i, last=i == events - 1, content=content)) for i, content in enumerate(contents)]
    writes[0] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n" + writes[0]
    writes[-1] += chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return tuple(writes)


@functools.lru_cache(maxsize=256)
def wanted(body: bytes) -> tuple[int, str]:
    """(events that a request body asks for, 0 for a whole answer; the language of their text, "" for numbers)."""
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return 0, ""
    return (max(1, int(data.get("max_tokens") or 16)) if data.get("stream") else 0), (data.get("metadata") or {}).get("prose", "")


@dataclass
class Counts:
    requests: int = 0
    streams: int = 0
    finished: int = 0
    aborted: int = 0  # streams that the client left
    running: int = 0
    peak: int = 0  # most streams at once
    connections: int = 0
    others: int = 0  # requests to paths that are not here


class Mock:
    """The counts and the running streams; `step` is the engine's step."""

    def __init__(self, pace: float = 0.0) -> None:
        self.pace = pace  # seconds between two steps
        self.counts = Counts()
        self.running: dict[Connection, int] = {}  # connection -> next write
        self.stepping = False
        self.answer = respond(answer())
        self.models = respond(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "created": CREATED}]}).encode())

    def begin(self, connection: Connection) -> None:
        self.running[connection] = 0
        self.counts.streams += 1
        self.counts.peak = max(self.counts.peak, len(self.running))
        if not self.stepping:
            self.stepping = True
            asyncio.get_running_loop().call_soon(self.step)

    def step(self) -> None:
        loop, running = asyncio.get_running_loop(), self.running
        started = loop.time()
        for connection, at in list(running.items()):
            if connection.paused:
                continue
            writes = connection.writes
            connection.transport.write(writes[at])
            if at + 1 == len(writes):
                del running[connection]
                self.counts.finished += 1
            else:
                running[connection] = at + 1
        if not running:
            self.stepping = False
        elif self.pace:
            loop.call_at(started + self.pace, self.step)
        else:
            loop.call_soon(self.step)

    def control(self, query: str) -> bytes:
        if pace := parse_qs(query).get("pace_ms"):
            self.pace = float(pace[0]) / 1000
        self.counts.running = len(self.running)
        return respond(json.dumps(asdict(self.counts)).encode())


class Connection(asyncio.Protocol):
    """One client connection; one request at a time, as clients of HTTP/1.1 send them."""

    __slots__ = ("body", "mock", "parser", "paused", "transport", "url", "writes")
    transport: asyncio.Transport

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self.parser = httptools.HttpRequestParser(self)
        self.paused = False
        self.url = b""
        self.body = b""
        self.writes: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.mock.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        mock, url, body = self.mock, self.url, self.body
        self.url = self.body = b""
        if url in (b"/v1/chat/completions", b"/v1/completions"):
            mock.counts.requests += 1
            events, prose = wanted(body)
            if events:
                self.writes = stream_writes(events, prose)
                mock.begin(self)
            else:
                self.transport.write(mock.answer)
        elif url.startswith(b"/control"):
            self.transport.write(mock.control(url.partition(b"?")[2].decode()))
        elif re.match(rb"/(health|ping|version|metrics|get_server_info|server_info)\b", url):
            self.transport.write(respond(b"{}"))
        elif url.startswith(b"/v1/models"):
            self.transport.write(mock.models)
        else:
            mock.counts.others += 1
            self.transport.write(respond(b'{"error":{"message":"not here"}}', "404 Not Found"))

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.mock.running.pop(self, None) is not None:
            self.mock.counts.aborted += 1


async def listen(mock: Mock, host: str = "127.0.0.1", port: int = 0, unix: str | None = None) -> asyncio.Server:
    """A listening server; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    if unix:
        return await loop.create_unix_server(lambda: Connection(mock), unix, backlog=4096)
    return await loop.create_server(lambda: Connection(mock), host, port, backlog=4096)


async def _main(args: argparse.Namespace) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand streams need more than the usual 1,024
    server = await listen(Mock(args.pace_ms / 1000), args.host, args.port, args.unix)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.collect()
    gc.freeze()
    print(json.dumps({"address": server.sockets[0].getsockname()}), flush=True)
    await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the address is printed")
    parser.add_argument("--unix", help="a Unix socket instead")
    parser.add_argument("--pace-ms", type=float, default=0.0, help="pause between a stream's events, ms")
    uvloop.run(_main(parser.parse_args()))
