"""A closed-loop load client, made to cost less than what it measures: `concurrency` connections, one request each at a time.

No task is made for a request: a connection is an asyncio.Protocol that sends the next request when an answer is complete.
Every answer is checked; one that is wrong is counted by what is wrong with it, and never as a success.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

BODY_BYTES = 120
NUMBER = re.compile(rb'"content": ?"t(\d+) "')
Check = Callable[[int, bytes], str | None]  # (status, body) -> what is wrong, or None
Vary = Callable[[int], bytes]


@dataclass(frozen=True)
class Target:
    """Where requests go: TCP on loopback, or a Unix socket."""

    port: int = 0
    host: str = "127.0.0.1"
    unix: str | None = None


def chat_request(target: Target, events: int = 0, model: str = "mock") -> bytes:
    """A POST /v1/chat/completions with a body of BODY_BYTES bytes; `events` > 0 asks for a stream of that many."""
    shape = {"model": model, "max_tokens": events or 16, **({"stream": True} if events else {})}
    shape["messages"] = [{"role": "user", "content": ""}]
    pad = BODY_BYTES - len(json.dumps(shape, separators=(",", ":")))
    shape["messages"] = [{"role": "user", "content": ("a question of the usual length " * 4)[: max(pad, 1)]}]
    body = json.dumps(shape, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {target.host}:{target.port}\r\nauthorization: Bearer sk-benchmark\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def check_answer(status: int, body: bytes) -> str | None:
    """None when `body` is a whole chat answer with its text and usage; else what is wrong."""
    if status != 200:
        return f"status {status}"
    try:
        data = json.loads(body)
        whole = bool(data["choices"][0]["message"]["content"]) and data["usage"]["total_tokens"] > 0
    except (ValueError, LookupError, TypeError):
        whole = False
    return None if whole else "not a whole answer"


def check_stream(events: int) -> Check:
    """A check that a stream holds the events 0 to `events` - 1, each once and in order, then [DONE] and nothing more."""
    wanted = list(range(events))

    def check(status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        numbers = [int(n) for n in NUMBER.findall(body)]
        if numbers != wanted:
            if set(wanted) - set(numbers):
                return "lost event"
            return "event twice" if len(numbers) > events else "event out of order"
        data = [line for line in body.splitlines() if line.startswith(b"data:")]
        if not data or data[-1].removeprefix(b"data:").strip() != b"[DONE]":
            return "no [DONE] at the end"
        return None if len(data) == events + 1 else "event twice"

    return check


@dataclass
class Result:
    """What one run saw. Times in seconds, latencies in nanoseconds."""

    requests: int = 0  # answered and right
    seconds: float = 0.0
    latencies: array[int] = field(default_factory=lambda: array("q"))  # request sent -> answer complete
    first_bytes: array[int] = field(default_factory=lambda: array("q"))  # request sent -> first byte of the answer's body
    errors: Counter[str] = field(default_factory=Counter)


class Run:
    """One closed loop: until `until` (perf_counter_ns) or until `limit` requests were sent."""

    def __init__(
        self,
        request: bytes,
        check: Check,
        until: int = 0,
        limit: int = 0,
        vary: Vary | None = None,
        begins: re.Pattern[bytes] | None = None,
    ) -> None:
        self.request = request
        self.begins = begins
        self.vary = vary
        self.check = check
        self.until = until
        self.limit = limit
        self.sent = 0
        self.result = Result()
        self.open = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.right = b""  # the last body that passed the check: an equal one passes too

    def more(self, now: int) -> bool:
        return self.sent < self.limit if self.limit else now < self.until

    def complete(self, status: int, body: bytes, sent: int, first: int, now: int) -> None:
        result = self.result
        if status != 200 or body != self.right:
            if wrong := self.check(status, body):
                result.errors[wrong] += 1
                return
            self.right = body
        result.requests += 1
        result.latencies.append(now - sent)
        result.first_bytes.append(first - sent)

    def retire(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One connection of a run: sends, reads, checks, sends the next."""

    __slots__ = ("busy", "first", "parser", "parts", "run", "sent", "transport")
    transport: asyncio.Transport

    def __init__(self, run: Run) -> None:
        self.run = run
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.busy = False
        self.sent = self.first = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def send(self, now: int) -> None:
        self.run.sent += 1
        self.busy = True
        self.sent = now
        run = self.run
        self.transport.write(run.request if run.vary is None else run.vary(run.sent))

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail("not HTTP")

    def on_body(self, body: bytes) -> None:
        if not self.first and (self.run.begins is None or self.run.begins.search(body)):
            self.first = time.perf_counter_ns()
        self.parts.append(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter_ns()
        parts, run = self.parts, self.run
        run.complete(self.parser.get_status_code(), parts[0] if len(parts) == 1 else b"".join(parts), self.sent, self.first or now, now)
        self.parts = []
        self.first = 0
        self.busy = False
        if not self.parser.should_keep_alive():
            run.result.errors["server closed the connection"] += 1
            run.retire()
        elif run.more(now):
            self.send(now)
        else:
            run.retire()

    def fail(self, what: str) -> None:
        if self.busy:
            self.busy = False
            self.run.result.errors[what] += 1
            self.run.retire()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("connection lost")


async def load(
    target: Target,
    request: bytes,
    check: Check,
    *,
    concurrency: int,
    seconds: float = 0.0,
    limit: int = 0,
    timeout: float = 120.0,
    vary: Vary | None = None,
    begins: re.Pattern[bytes] | None = None,
) -> Result:
    """Run the closed loop for `seconds`, or for `limit` requests. What is unanswered after `timeout` seconds counts as an error.

    `vary` makes the request with a number (from 1) where they are to differ. `begins`: what the first bytes that count must
    hold; none: any.

    The clock starts when all connections stand and stops at the last answer.
    """
    loop = asyncio.get_running_loop()
    run = Run(request, check, limit=limit, vary=vary, begins=begins)
    connections: list[Connection] = []
    for _ in range(concurrency):
        if target.unix:
            _, connection = await loop.create_unix_connection(lambda: Connection(run), target.unix)
        else:
            _, connection = await loop.create_connection(lambda: Connection(run), target.host, target.port)
        connections.append(connection)
    started = time.perf_counter_ns()
    run.until = started + int(seconds * 1e9)
    for connection in connections:
        if run.more(time.perf_counter_ns()):
            run.open += 1
            connection.send(time.perf_counter_ns())
    try:
        async with asyncio.timeout(timeout):
            await run.done
    except TimeoutError:
        run.result.errors["no answer in time"] += run.open
    run.result.seconds = (time.perf_counter_ns() - started) / 1e9
    for connection in connections:
        connection.busy = False
        connection.transport.close()
    return run.result
