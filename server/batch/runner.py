"""The loop of batch work: lines in, `Send`, results out.

A window of lines is unfinished at a time, so memory does not grow with the file. Each line of it is a task:

    enter the share -> send -> keep          as nearly always
                       |-> loading, no connection: all lines of the model wait for it; this was no attempt
                       |-> a passing failure: again after a while, `retries` times
                       '-> broke off: again; twice: alone, since it may be what brings its engine down

A stop ends what only waits; what is at an engine is waited for, and its result kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from server.batch.base import Answer, BadLine, Line, Result, Send, Share

PASSING = frozenset((408, 409, 429, 500, 502, 503, 504))
BROKEN_TOGETHER = 2  # exchanges that broke off before the line runs alone
BROKEN_ALONE = 2  # and alone, before it is given up
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before the same line is sent again
FIRST_LOOK, LONGEST_LOOK = 0.25, 5.0  # seconds between two looks at an engine that is not there
LONGEST_ASKED = 600.0  # seconds of a Retry-After that are honoured
WINDOW = 1024  # lines
WINDOW_BYTES = 128 * 2**20

Lines = Iterator[Line | BadLine] | AsyncIterator[Line | BadLine]
Keep = Callable[[Result | BadLine], Awaitable[None] | None]


@dataclass
class Totals:
    """What has become of the lines that were kept. `again`: how often one was sent once more."""

    ok: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    again: int = 0


async def run(
    lines: Lines,
    send: Send,
    share: Share,
    keep: Keep,
    *,
    retries: int,
    stop: asyncio.Event,
    rng: random.Random | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    window: int = WINDOW,
    totals: Totals | None = None,
) -> Totals:
    """Run `lines`; `keep` gets each that ends exactly once, in no order. Ends when all have, or after `stop`.

    After `stop` no line is begun, and one that would have to be sent again is left: neither is kept. Cancelled, it ends
    what runs. Raises what `lines` and `keep` raise, the former after what runs has ended.
    """
    runner = Runner(send, share, keep, retries, stop, rng or random.Random(), sleep, totals or Totals())
    return await runner.run(lines, window)


class Runner:
    def __init__(
        self,
        send: Send,
        share: Share,
        keep: Keep,
        retries: int,
        stop: asyncio.Event,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]],
        totals: Totals,
    ) -> None:
        self.send, self.share, self.keep, self.retries = send, share, keep, retries
        self.stop, self.rng, self.sleep, self.totals = stop, rng, sleep, totals
        self.ward = _Ward()
        self.holds: dict[str, asyncio.Event] = {}  # models whose lines wait
        self.looks: dict[str, int] = {}  # how often a model was not there, in a row
        self.answered: dict[str, int] = {}  # lines of a model that went well
        self.tasks: set[asyncio.Task[None]] = set()
        self.busy: set[asyncio.Task[None]] = set()  # at an engine, or being kept
        self.held = 0  # bytes of the lines in the window
        self.moved = asyncio.Event()  # a task has ended
        self.failure: BaseException | None = None

    async def run(self, lines: Lines, window: int) -> Totals:
        stopping = asyncio.create_task(self._end_what_waits())
        try:
            try:
                if isinstance(lines, AsyncIterator):
                    async for line in lines:
                        if not await self._take(line, window):
                            break
                else:
                    for line in lines:
                        if not await self._take(line, window):
                            break
            finally:
                while self.tasks and self.failure is None:
                    self.moved.clear()
                    await self.moved.wait()
            if self.failure is not None:
                raise self.failure
        finally:
            stopping.cancel()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, stopping, return_exceptions=True)
        return self.totals

    async def _take(self, line: Line | BadLine, window: int) -> bool:
        """Begin `line` as soon as there is room for it. False: there is nothing more to begin."""
        while len(self.tasks) >= window or self.held > WINDOW_BYTES:
            if self.stop.is_set() or self.failure is not None:
                return False
            self.moved.clear()
            await self.moved.wait()
        if self.stop.is_set() or self.failure is not None:
            return False
        size = len(line.body) if isinstance(line, Line) else 0
        self.held += size
        task = asyncio.create_task(self._one(line))
        self.tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            self.held -= size
            if not task.cancelled() and (error := task.exception()) is not None and self.failure is None:
                self.failure = error
            self.moved.set()

        task.add_done_callback(ended)
        if len(self.tasks) % 64 == 0:
            await asyncio.sleep(0)  # who reads a file must let others have their turn
        return True

    async def _end_what_waits(self) -> None:
        await self.stop.wait()
        for task in self.tasks - self.busy:
            task.cancel()
        self.moved.set()

    async def _one(self, line: Line | BadLine) -> None:
        result = line if isinstance(line, BadLine) else await self._until_it_ends(line)
        task = _current()
        self.busy.add(task)
        try:
            self._count(result)
            kept = self.keep(result)
            if kept is not None:
                await kept
        finally:
            self.busy.discard(task)

    async def _until_it_ends(self, line: Line) -> Result:
        """Cancelled where a stop comes first."""
        attempts = broken = 0
        seen = self.answered.get(line.model, 0)
        while True:
            alone = broken >= BROKEN_TOGETHER
            answer = await (self._alone(line) if alone else self._together(line))
            if answer.broken:
                broken += 1
            elif answer.status not in PASSING:
                return Result(line, answer)
            # Where others of the model got through meanwhile, a 429 says nothing about this one.
            before, seen = seen, self.answered.get(line.model, 0)
            attempts += answer.status != 429 or seen == before
            if attempts > self.retries or broken >= BROKEN_TOGETHER + BROKEN_ALONE:
                return Result(line, answer)
            self._unless_stopped()
            self.totals.again += 1
            await self._wait(line.model, answer, attempts)

    async def _together(self, line: Line) -> Answer:
        """Its answer, beside other lines. Where there is no engine it waits for one."""
        while True:
            await self._held(line.model)
            await self.ward.enter()
            try:
                answer = await self._send(line)
            finally:
                self.ward.leave()
            if answer is not None:
                if not answer.loading:
                    return answer
                await self._look_again(line.model)

    async def _alone(self, line: Line) -> Answer:
        await self.ward.enter_alone()
        try:
            while True:
                await self._held(line.model)
                answer = await self._send(line)
                if answer is not None:
                    if not answer.loading:
                        return answer
                    await self._look_again(line.model)
        finally:
            self.ward.leave_alone()

    async def _send(self, line: Line) -> Answer | None:
        """None: while it waited for its turn its model began to be waited for."""
        self._unless_stopped()
        await self.share.enter(line.model)
        if line.model in self.holds:
            self.share.leave(line.model)
            return None
        task = _current()
        self.busy.add(task)
        try:
            answer = await self.send(line)
        finally:
            self.busy.discard(task)
            self.share.leave(line.model)
        if not answer.loading:
            self.looks.pop(line.model, None)
            if answer.ok:
                self.answered[line.model] = self.answered.get(line.model, 0) + 1
        return answer

    async def _held(self, model: str) -> None:
        while (hold := self.holds.get(model)) is not None:
            await hold.wait()

    async def _look_again(self, model: str) -> None:
        """The model is not there: none of its lines is sent for a while."""
        if model not in self.holds:
            looks = self.looks[model] = self.looks.get(model, 0) + 1
            await self._hold(model, self._jitter(min(FIRST_LOOK * 2 ** min(looks, 10), LONGEST_LOOK)))
        else:
            await self._held(model)

    async def _hold(self, model: str, seconds: float) -> None:
        if model in self.holds:
            await self._held(model)
            return
        hold = self.holds[model] = asyncio.Event()
        try:
            await self._nap(seconds)
        finally:
            del self.holds[model]
            hold.set()

    async def _wait(self, model: str, answer: Answer, attempts: int) -> None:
        """Before the same line is sent again. A server that names a time gets nothing of this model until then."""
        wait = self._jitter(min(FIRST_WAIT * 2 ** min(max(attempts, 1) - 1, 10), LONGEST_WAIT))
        if answer.retry_after is not None:
            await self._hold(model, min(max(answer.retry_after, 0.0), LONGEST_ASKED))
            wait = self._jitter(FIRST_WAIT)  # not all at the same moment
        await self._nap(wait)

    async def _nap(self, seconds: float) -> None:
        self._unless_stopped()
        await self.sleep(seconds)

    def _unless_stopped(self) -> None:
        if self.stop.is_set():
            raise asyncio.CancelledError  # it was busy when the stop came, and is left now

    def _jitter(self, seconds: float) -> float:
        return seconds * self.rng.uniform(0.5, 1.0)

    def _count(self, result: Result | BadLine) -> None:
        totals = self.totals
        answer = result.answer if isinstance(result, Result) else None
        if answer is not None and answer.ok:
            totals.ok += 1
        else:
            totals.failed += 1
        if answer is not None:
            totals.prompt_tokens += answer.prompt_tokens
            totals.completion_tokens += answer.completion_tokens


class _Ward:
    """Lines are at the engines together, or one of them alone."""

    def __init__(self) -> None:
        self.inside = 0
        self.waiting = 0  # to be alone; they go one after the other before the rest goes on
        self.turn = asyncio.Lock()
        self.empty = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def enter(self) -> None:
        while not self.open.is_set():
            await self.open.wait()
        self.inside += 1

    def leave(self) -> None:
        self.inside -= 1
        if not self.inside:
            self.empty.set()

    async def enter_alone(self) -> None:
        self.waiting += 1
        self.open.clear()
        try:
            await self.turn.acquire()
        except BaseException:
            self._one_less()
            raise
        try:
            while self.inside:
                self.empty.clear()
                await self.empty.wait()
        except BaseException:
            self.leave_alone()
            raise

    def leave_alone(self) -> None:
        self.turn.release()
        self._one_less()

    def _one_less(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.open.set()


def _current() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task
