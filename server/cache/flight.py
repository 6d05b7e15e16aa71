"""Single flight: the same request at the same time is generated once.

The first to ask leads: its request goes to the engine, and the engine's bytes are noted here on their way to its client.
While nobody follows, that is all that happens. Whoever asks the same meanwhile follows: gets what has come so far at
once, then the rest as it comes. From then on a task of its own reads the engine, so that a leader whose client is slow
or gone holds nobody up; the work is ended only when nobody is left to hear it.

All of this is within one worker process: two workers may generate the same answer at the same time, once each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Literal

import msgspec

from server.cache.entry import Entry

State = Literal["running", "done", "failed"]


class Whole(msgspec.Struct, frozen=True):
    """An answer in one piece, as the engine gave it. One with a status from 400 up is shared, and never kept."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str | None = None  # of the error


class Ended(Exception):
    """The leader ended without an answer, and without a word of why: its client left, or the gateway stops."""


class Flight(msgspec.Struct, eq=False):
    """One generation. `usage`: its answer will tell the tokens. `chunks`: a stream as it came; else `whole` is set at its end."""

    key: bytes
    usage: bool
    most: int  # bytes that are noted for those who come late
    attempts: int = 0  # generations of the same that have failed before
    request: bytes = b""  # the leader's
    epoch: int = 0
    times: list[float] | None = None  # when each chunk came, where the pace is kept
    began: float = msgspec.field(default_factory=time.perf_counter)
    state: State = "running"
    open: bool = True  # others may join
    kept: bool = True  # small enough to be stored
    held: int = 0  # bytes of `chunks`, or of `whole`
    took: float = 0.0  # seconds, once it has ended
    following: int = 0  # requests that wait, the leader's not counted
    whole: Whole | None = None
    entry: Entry | None = None  # of the answer, once `read_out`
    read_out: bool = False
    failure: Exception | None = None
    final: bool = False  # trying again cannot help the others
    busy: bool = False  # the leader is writing to its own client, and so does not read
    read: Callable[[], Awaitable[bytes]] | None = None
    reading: asyncio.Task[None] | None = None  # reads for all, once somebody follows
    abandon: Callable[[], None] | None = None  # set when the leader's client has left: ends the engine's work
    chunks: Sequence[bytes] = ()
    listeners: Set[Follower] = frozenset()

    # the leader's side

    def feed(self, data: bytes) -> None:
        """Note what came of a stream."""
        if not isinstance(self.chunks, list):
            self.chunks = []  # not before: most answers are whole, and most flights are followed by nobody
        self.chunks.append(data)
        self.held += len(data)
        if self.times is not None:
            self.times.append(time.perf_counter())
        if self.held > self.most:
            self.open = self.kept = False
            if self.reading is None and not self.listeners:
                self.chunks.clear()  # nobody will come for them
        if self.listeners:
            self._wake()

    def finish(self, whole: Whole | None = None) -> None:
        """The answer has come to its end: a stream, or `whole`."""
        if whole is not None:
            self.whole = whole
            self.held = held = len(whole.body)
            if held > self.most:
                self.kept = False
        self._end("done")

    def fail(self, failure: Exception | None, final: bool = False) -> None:
        """There will be no answer, or not the rest of it. After the end it does nothing."""
        if self.state == "running":
            self.failure, self.final = failure or Ended(), final
            self._end("failed")

    def _end(self, state: State) -> None:
        self.state = state
        self.open = False
        self.took = time.perf_counter() - self.began
        if self.listeners:
            self._wake()

    def hand_over(self) -> None:
        """From now on a task reads the stream, and the leader listens as the others do."""
        if self.reading is None and self.read is not None and self.state == "running":
            self.reading = asyncio.get_running_loop().create_task(self._read_on(self.read))

    async def _read_on(self, read: Callable[[], Awaitable[bytes]]) -> None:
        try:
            while data := await read():
                self.feed(data)
        except Exception as failure:
            self.fail(failure)
        else:
            self.finish()

    def leader_left(self, abandon: Callable[[], None]) -> None:
        """The leader's client is gone: `abandon` is called now, or when the last one who follows leaves."""
        self.abandon = abandon
        self._check()

    # the others' side

    def join(self) -> Follower:
        self.following += 1
        if self.busy:
            self.hand_over()
        return Follower(self)

    def leave(self, follower: Follower) -> None:
        """`follower` wants no more: answered, or its client left."""
        if follower in self.listeners:
            self.unlisten(follower)
            self.following -= 1
            self._check()

    def unlisten(self, follower: Follower) -> None:
        if isinstance(self.listeners, set):
            self.listeners.discard(follower)

    def _check(self) -> None:
        if self.abandon is not None and not self.following and self.state == "running":
            self.open = False
            self.abandon()

    def _wake(self) -> None:
        for listener in self.listeners:
            listener.wake()


class Follower:
    """One who listens to a flight. `gone` is set by whoever sees the client leave, with `wake`."""

    at = 0  # chunks taken
    gone = False
    waiter: asyncio.Future[None] | None = None

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        if not isinstance(flight.listeners, set):
            flight.listeners = set()
        flight.listeners.add(self)

    async def more(self) -> bytes:
        """What has come since the last call; b"" at the end, or when the client is gone. Raises the flight's failure."""
        flight = self.flight
        while self.at == len(flight.chunks) and flight.state == "running" and not self.gone:
            await self._wait()
        if self.gone:
            return b""
        new, self.at = flight.chunks[self.at :], len(flight.chunks)
        if not new and flight.failure is not None:
            raise flight.failure
        return new[0] if len(new) == 1 else b"".join(new)

    async def begun(self) -> None:
        """Wait for the first of a stream, or the end."""
        flight = self.flight
        while not flight.chunks and flight.state == "running" and not self.gone:
            await self._wait()

    async def ended(self) -> None:
        while self.flight.state == "running" and not self.gone:
            await self._wait()

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        self.flight.leave(self)
        self.wake()

    async def _wait(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Flights:
    """The generations that run now, by what was asked."""

    def __init__(self, most: int, paced: bool = False) -> None:
        self.most = most
        self.paced = paced
        self.epoch = 0  # rises with each flush: what began before is not kept after
        self.running: dict[bytes, Flight] = {}

    def find(self, key: bytes, usage: bool) -> Flight | None:
        """The flight that a request can follow; `usage`: its client must be told the tokens."""
        flight = self.running.get(key)
        return flight if flight is not None and flight.open and (flight.usage or not usage) else None

    def lead(self, key: bytes, usage: bool, attempts: int = 0, alone: bool = False, request: bytes = b"") -> Flight:
        """A new flight. `alone`: nobody may follow, since one is running already that they follow."""
        flight = Flight(key, usage, self.most, attempts, request, self.epoch)
        if self.paced:
            flight.times = []
        if not alone:
            self.running[key] = flight
        return flight

    def end(self, flight: Flight) -> None:
        """Forget `flight`; if it has not ended by itself, it has failed."""
        if flight.state == "running":
            flight.fail(None)
        if self.running.get(flight.key) is flight:
            del self.running[flight.key]
