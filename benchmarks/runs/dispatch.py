"""Requests that are started one by one, when a batching policy says so, over connections that are kept: for `sllm bench batching`."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.loadgen.answer import Answer
from benchmarks.loadgen.client import Client
from benchmarks.loadgen.delay import Watch
from benchmarks.loadgen.records import Delay, Level, Load, Progress, Record, Request
from benchmarks.loadgen.target import Target
from benchmarks.runs.batches import Policy, follow

TICK = 0.1  # seconds between two reports of progress


@dataclass
class Done:
    """One policy over one set of requests. In `level` a request is sent when it arrives, so that latencies hold what it waits in
    front of the engine; `started[i]` is when request i was given to the engine, seconds since the level began."""

    level: Level
    started: list[float]


@dataclass
class Dispatcher:
    """Sends requests to one target for one policy."""

    target: Target
    requests: Sequence[Request]
    timeout: float
    stop: asyncio.Event
    on_progress: Callable[[Progress], None] = lambda now: None
    records: list[Record] = field(default_factory=list)

    async def run(self, policy: Policy, arrivals: Sequence[float], load: Load) -> Done:
        """All requests to their end; after `stop` nothing more starts and what is open is cut off."""
        loop = asyncio.get_running_loop()
        trouble: asyncio.Future[None] = loop.create_future()

        def broken(error: Exception) -> None:
            if not trouble.done():
                trouble.set_exception(error)

        client = Client(self.target, broken)
        self.records = [
            Record(i, request.input_tokens, request.output_tokens, scheduled=arrivals[i], sent=arrivals[i], group=request.group)
            for i, request in enumerate(self.requests)
        ]
        started = [0.0] * len(self.requests)
        open_now: set[Answer] = set()

        async def send(indices: Sequence[int], _: float) -> None:
            await asyncio.gather(*(one(index) for index in indices))

        async def one(index: int) -> None:
            over: asyncio.Future[None] = loop.create_future()
            answer = Answer(self.records[index], lambda _: _set(over))
            request = self.requests[index]
            open_now.add(answer)
            started[index] = client.send(answer, self.target.head("POST", request.path, len(request.body)) + request.body)
            limit = loop.call_later(self.timeout, client.cut, answer, ("no answer in time", f"{self.timeout:g} s"))
            try:
                await over
            finally:
                limit.cancel()
                open_now.discard(answer)

        watch = Watch(loop)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        watch.start()
        client.origin = client.clock()
        running: asyncio.Future[Any] = asyncio.ensure_future(follow(policy, arrivals, send, clock=client.clock))
        stopped: asyncio.Future[Any] = asyncio.ensure_future(self.stop.wait())
        try:
            while not (running.done() or stopped.done() or trouble.done()):
                await asyncio.wait([running, stopped, trouble], timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                self.on_progress(self._progress(client.now(), len(open_now)))
            if stopped.done() and not running.done():
                running.cancel()
                for answer in list(open_now):
                    client.cut(answer, ("interrupted", ""))
            if trouble.done():
                trouble.result()
            await asyncio.wait([running])
            if not running.cancelled():
                running.result()
            delay: Delay = watch.stop([])
        finally:
            watch.close()
            for task in (running, stopped):
                task.cancel()
            trouble.cancel()
            client.close()
        records = [record for record in self.records if record.end is not None]
        seconds = max((record.end or 0.0 for record in records), default=0.0)
        partial = (
            f"interrupted after {sum(r.error is None for r in records)} of {len(self.requests)} requests" if self.stop.is_set() else None
        )
        return Done(Level(load, records, seconds, when, delay, partial), started)

    def _progress(self, seconds: float, open_now: int) -> Progress:
        ended = [record for record in self.records if record.end is not None]
        failed, tokens = sum(record.error is not None for record in ended), sum(len(record.times) for record in self.records)
        return Progress(seconds, len(ended) + open_now, open_now, len(ended), failed, tokens, len(self.records), None)


def _set(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
