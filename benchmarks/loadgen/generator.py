"""One level of load: requests started as the load says, and a record of each, whatever becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.answer import INTERRUPTED, TIMEOUT, Answer
from benchmarks.loadgen.arrivals import arrivals, checked
from benchmarks.loadgen.client import Client, Clock
from benchmarks.loadgen.delay import Watch
from benchmarks.loadgen.failures import Failure
from benchmarks.loadgen.records import Level, Load, Progress, Record, Request
from benchmarks.loadgen.target import Target
from benchmarks.loadgen.timer import Timer

TICK = 0.1  # seconds between two reports of progress
IN_A_ROW = 20  # requests that found no server, without an answer in between: it is gone
PAUSE = 0.05  # seconds before a closed loop tries again where no server was found
LOOK_UP = 10.0  # seconds for a host's addresses before the clock starts
GRACE = 5.0  # seconds that open requests have left when the server is gone: one that shuts down in order ends them


async def run_level(
    target: Target,
    requests: Sequence[Request],
    load: Load,
    *,
    seed: int,
    timeout: float,
    on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock = time.perf_counter,
) -> Level:
    """Send `requests`, in order and again from the start where more are wanted, as `load` says.

    timeout: seconds that one request may take, from `sent` to its last byte. `seed`: of the arrivals of an open loop.
    `stop`: when it is set no more requests start and open ones are cut off (error "interrupted"). The level then says in `partial`
    why it is not whole, and so it does when the server is gone: IN_A_ROW requests in a row found none, or as many as were open ran
    into the timeout. Raises BenchUsageError for a load that cannot be run.
    """
    if not requests:
        raise BenchUsageError("There are no requests to send: the prompt set is empty.")
    run = Run(target, requests, checked(load), seed, timeout, clock)
    watch = Watch(run.loop)
    stopped = asyncio.ensure_future(stop.wait()) if stop is not None else None
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _raise_file_limit()
    with contextlib.suppress(OSError, UnicodeError):  # a host that is not known is each request's failure
        async with asyncio.timeout(min(timeout, LOOK_UP)):
            await run.client.resolve()
    try:
        watch.start()
        run.start()
        while not run.finished.done():
            ends: list[asyncio.Future[Any]] = [run.finished] if stopped is None else [run.finished, stopped]
            await asyncio.wait(ends, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            if stopped is not None and stopped.done() and not run.finished.done():
                stopped = None
                run.give_up(f"interrupted after {run.done} {f'of {run.wanted} ' if run.wanted else ''}requests", 0.0)
            if on_progress is not None:
                on_progress(run.progress())
        run.finished.result()
        delay = watch.stop(run.late)
    finally:
        watch.close()
        run.close()
        if stopped is not None:
            stopped.cancel()
    first = run.records[0].sent if run.records else 0.0
    return Level(load, run.records, max(run.last_end - first, 0.0), started, delay, run.partial, run.unsent)


class Run:
    """The state of one level. Times are seconds since it began."""

    def __init__(self, target: Target, requests: Sequence[Request], load: Load, seed: int, timeout: float, clock: Clock) -> None:
        self.requests, self.load, self.seed, self.timeout = requests, load, seed, timeout
        self.loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self.client = Client(target, self._broken, clock)
        self._head = functools.lru_cache(maxsize=4096)(functools.partial(target.head, "POST"))
        self.wanted = load.requests
        self.records: list[Record] = []
        self.open: set[Answer] = set()
        self.done = self.failed = self.tokens = 0
        self.late: list[float] = []  # of each request: how long after it was due it was sent
        self.last_end = 0.0
        self.partial: str | None = None
        self.closed = False
        self.unsent = 0
        self.pausing = 0  # places of a closed loop that wait before they try again
        self.lost_in_a_row = self.timeouts_in_a_row = 0
        self.due: Iterator[float] = iter(())
        self.next_due: float | None = None  # the arrival that the timer waits for
        self.waiting: deque[float] = deque()  # arrivals under the cap on concurrency
        self.timer: Timer | None = None

    def start(self) -> None:
        self.client.origin = self.client.clock()
        if self.load.mode == "open":
            self.due = arrivals(self.load, self.seed)
            self.next_due = next(self.due, None)
            self.timer = Timer(self.loop, self._arrive)
            self._arrive()
            return
        for _ in range(self.load.concurrency or 1):
            if self._more(0.0):
                self._begin(None, 0.0)

    def progress(self) -> Progress:
        tokens = self.tokens + sum(len(answer.times) for answer in self.open)
        sent = len(self.records)
        return Progress(self.client.now(), sent, len(self.open), self.done, self.failed, tokens, self.wanted, self.load.seconds)

    def give_up(self, why: str, grace: float) -> None:
        """Start nothing more; what is open has `grace` seconds left."""
        if self.partial is None:
            self.partial = why
        self.next_due = None
        self.waiting.clear()
        if grace:
            self.loop.call_later(grace, self._cut_all)
        else:
            self._cut_all()

    def close(self) -> None:
        self.closed = True
        for answer in self.open:
            if answer.timer is not None:
                answer.timer.cancel()
        if self.timer is not None:
            self.timer.close()
        self.client.close()

    def _more(self, now: float) -> bool:
        load = self.load
        return (
            self.partial is None
            and not self.closed
            and (load.requests is None or len(self.records) < load.requests)
            and (load.seconds is None or now < load.seconds)
        )

    def _begin(self, scheduled: float | None, due: float) -> None:
        """Send the next request. `due`: when the load allowed it."""
        index = len(self.records)
        request = self.requests[index % len(self.requests)]
        record = Record(index, request.input_tokens, request.output_tokens, group=request.group)
        answer = Answer(record, self._ended)
        self.records.append(record)
        self.open.add(answer)
        answer.timer = self.loop.call_later(self.timeout, self._expire, answer)
        record.sent = self.client.send(answer, self._head(request.path, len(request.body)) + request.body)
        record.scheduled = record.sent if scheduled is None else scheduled
        self.late.append(max(record.sent - due, 0.0))

    def _arrive(self) -> None:
        """Start what is due, and wait for the next arrival."""
        load, now = self.load, self.client.now()
        while self.next_due is not None and self.next_due <= now:
            due, self.next_due = self.next_due, next(self.due, None)
            if not self._arrives(due):
                self.next_due = None
            elif load.concurrency is not None and len(self.open) >= load.concurrency:
                self.waiting.append(due)
            else:
                self._begin(due, due)
        if self.next_due is not None and not self._arrives(self.next_due):
            self.next_due = None
        if self.next_due is not None and self.timer is not None:
            self.timer.at(self.client.origin + self.next_due)
        self._check()

    def _arrives(self, due: float) -> bool:
        return self.partial is None and (self.load.seconds is None or due < self.load.seconds)

    def _ended(self, answer: Answer) -> None:
        record = answer.record
        if answer.timer is not None:
            answer.timer.cancel()
        self.open.discard(answer)
        self.done += 1
        self.failed += record.error is not None
        self.tokens += record.completion_tokens or len(record.times)
        ended = record.end or 0.0
        self.last_end = max(self.last_end, ended)
        lost = record.status == 0 and record.error not in (TIMEOUT, INTERRUPTED)
        self._judge(record, lost)
        if self.load.mode == "open":
            if self.waiting and not self._more(self.client.now()):
                self.unsent += len(self.waiting)
                self.waiting.clear()
            elif self.waiting:
                self._begin(self.waiting.popleft(), ended)
        elif lost:
            self.pausing += 1
            self.loop.call_later(PAUSE, self._again)
        elif self._more(self.client.now()):
            self._begin(None, ended)
        self._check()

    def _again(self) -> None:
        self.pausing -= 1
        if self._more(now := self.client.now()):
            self._begin(None, now)
        self._check()

    def _judge(self, record: Record, lost: bool) -> None:
        """Whether there is a server still."""
        if lost:
            self.lost_in_a_row += 1
        elif record.error == TIMEOUT:
            self.timeouts_in_a_row += 1
        elif record.error not in ("ended early", INTERRUPTED):
            self.lost_in_a_row = self.timeouts_in_a_row = 0
        patience = min(IN_A_ROW, max(3, self.load.concurrency or len(self.open)))
        if self.lost_in_a_row >= IN_A_ROW or self.timeouts_in_a_row >= patience:
            answered = self.done - self.failed
            what = f"{record.error}: {record.detail}" if record.detail else record.error
            self.give_up(f"the server stopped answering after {answered} whole answers ({what})", GRACE)

    def _expire(self, answer: Answer) -> None:
        self.client.cut(answer, (TIMEOUT, f"{self.timeout:g} s are over, {len(answer.times)} events came"))

    def _cut_all(self) -> None:
        failure: Failure = (INTERRUPTED, self.partial or "")
        for answer in list(self.open):
            self.client.cut(answer, failure)
        self._check()

    def _check(self) -> None:
        """The level is over when nothing is open and nothing can start."""
        if not (self.open or self.pausing or self.waiting or self.next_due is not None or self.finished.done()):
            self.finished.set_result(None)

    def _broken(self, error: Exception) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)


def _raise_file_limit() -> None:
    """As many open files as this process may have: a thousand connections need more than the usual 1,024."""
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
