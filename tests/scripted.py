"""An engine that does what a test tells it to: answers, pauses, breaks off, sends garbage.

    async with Scripted() as engine:                      # in the test's own event loop
        engine.script = sse(["Hel", "lo"])                # or json_answer({...}), or your own coroutine
        ... engine.url, engine.requests, await engine.closed.wait()

    with scripted_in_thread(json_answer(CHAT)) as engine: # for tests without a loop
        ... engine.url

A script is `async def script(request, reply)`; `reply` writes raw bytes, so that any fault can be played.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """Writes the answer. `close` ends the connection, `reset` does so rudely."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.keep = True

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body; b"" ends it."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def json(self, data: Any, status: int = 200, headers: str = "") -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
        await self.raw(head.encode() + body)

    def close(self) -> None:
        self.keep = False

    def reset(self) -> None:
        self.keep = False
        self.writer.transport.abort()


Script = Callable[[Request, Reply], Awaitable[None]]


def json_answer(data: Any = CHAT, status: int = 200, headers: str = "") -> Script:
    async def script(request: Request, reply: Reply) -> None:
        await reply.json(data, status, headers)

    return script


def event(content: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    """A chat chunk as vLLM writes it."""
    data: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    if content is not None:
        data["choices"] = [{"index": 0, "delta": {"content": content}, "finish_reason": None}]
    if usage is not None:
        data["usage"] = usage
    return b"data: " + json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


USAGE = event(usage={"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8})
DONE = b"data: [DONE]\n\n"


def sse(contents: Sequence[str], *, gate: asyncio.Event | None = None) -> Script:
    """A chat stream of `contents`; with `gate`, all but the first wait for it. Usage comes when asked for, as vLLM does."""

    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        for number, content in enumerate(contents):
            if number and gate is not None:
                await gate.wait()
            await reply.chunk(event(content))
        if (request.json.get("stream_options") or {}).get("include_usage"):
            await reply.chunk(USAGE)
        await reply.chunk(DONE)
        await reply.chunk(b"")

    return script


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """A chat chunk with any delta."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def talks(*words: str, gate: asyncio.Event | None = None, finish_reason: str = "stop") -> Script:
    """A complete chat answer in the shape that is asked for; with `gate`, all but the first word, or the whole, wait for it."""

    async def script(request: Request, reply: Reply) -> None:
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
        elif request.json.get("stream"):
            await reply.raw(SSE_HEAD)
            await reply.chunk(chunk({"role": "assistant", "content": ""}))
            for number, word in enumerate(words):
                if number and gate is not None:
                    await gate.wait()
                await reply.chunk(chunk({"content": word}))
            await reply.chunk(chunk({}, finish_reason))
            if (request.json.get("stream_options") or {}).get("include_usage"):
                await reply.chunk(USAGE)
            await reply.chunk(DONE)
            await reply.chunk(b"")
        else:
            if gate is not None:
                await gate.wait()
            message = {"role": "assistant", "content": "".join(words)}
            await reply.json({**CHAT, "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": usage})

    return script


def generates(script: Script) -> Script:
    """`script` for what is to be generated; GET /v1/models is answered as a server does."""

    async def both(request: Request, reply: Reply) -> None:
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
        else:
            await script(request, reply)

    return both


@dataclass
class Scripted:
    """A server with one script. `requests` keeps what came; `closed` is set when a client ends a connection."""

    script: Script = field(default_factory=json_answer)
    unix: str | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    port: int = 0

    async def __aenter__(self) -> Scripted:
        self.got = asyncio.Event()
        self.closed = asyncio.Event()
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        if self.unix:
            self.server = await asyncio.start_unix_server(self._serve, self.unix)
            self.url = f"unix:{self.unix}"
        else:
            self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self.server.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()
        await asyncio.sleep(0)  # transports close in the loop's next round

    def drop_idle(self) -> None:
        """Close every connection, as an engine does with idle ones."""
        for writer in list(self.writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                self.got.set()
                reply = Reply(writer)
                answering = asyncio.ensure_future(self.script(request, reply))
                left = asyncio.ensure_future(reader.read(1))  # engines that notice a client's leaving
                await asyncio.wait({answering, left}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    answering.cancel()
                    await asyncio.gather(answering, return_exceptions=True)
                    break
                answering.result()
                if not reply.keep:
                    left.cancel()
                    await asyncio.gather(left, return_exceptions=True)
                    break
                first = await left
                if not first:
                    break
                reader._buffer[:0] = first  # type: ignore[attr-defined]
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.closed.set()
            self.tasks.discard(task)
            self.writers.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


@contextmanager
def scripted_in_thread(script: Script | None = None, unix: str | None = None, port: int = 0) -> Iterator[Scripted]:
    """A Scripted with an event loop and a thread of its own. `port` 0: a free one."""
    engine = Scripted(script or json_answer(), unix, port=port)
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with engine:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield engine
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
