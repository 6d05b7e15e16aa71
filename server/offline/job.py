"""One run of a job: what is left of the input through `Send`, into the journal, until it is done, stopped or stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from server.batch.base import Answer, BadLine, Line, Result, Send, Share
from server.batch.checking import Checked
from server.batch.formats import Input
from server.batch.journal import Bits, Journal
from server.batch.results import failed_line, is_object, ok_line, request_id
from server.batch.runner import Totals, run
from server.errors import SLLMError, StartError
from server.offline.progress import Progress
from server.offline.target import Target

TURN = 0.02  # seconds of reading lines before others have their turn
DRAW = 0.5  # seconds
LOOK_AT_INPUT = 1.0
AWAY = 900.0  # seconds without a server before the job is given up, to be gone on with later
LAST_TRY = 10.0  # seconds that a full disk gets after a stop


@dataclass
class Job:
    """`stopping` ends it well: lines that run may finish. `failure` says why it could not be finished."""

    source: Input
    checked: Checked
    doubled: Bits
    target: Target
    journal: Journal
    progress: Progress
    retries: int
    clock: Callable[[], float] = time.monotonic
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    totals: Totals = field(default_factory=Totals)
    failure: SLLMError | None = None
    seconds: float = 0.0
    away: float | None = None  # since when nobody answers

    async def run(self, send: Send, share: Share, window: int, grace: float) -> None:
        """Run what is left, up to `grace` seconds beyond a stop. `failure` and `totals` tell how it went."""
        self.send = send
        work = run(
            self._left(),
            self._watched,
            _WithRoom(share, self.journal),
            self.keep,
            retries=self.retries,
            stop=self.stop,
            window=window,
            totals=self.totals,
        )
        await self.finish(work, grace)

    async def finish(self, work: Coroutine[Any, Any, object], grace: float) -> None:
        """`work` to its end, beside what watches the input and the output; then all that it kept is on the disk."""
        began = self.clock()
        self.journal.told = self._disk
        working = asyncio.create_task(work)
        beside = [asyncio.create_task(watch) for watch in (self._draw(), self._look_at_input(), self._sync(), self._end(working, grace))]
        try:
            await asyncio.wait({working})
        finally:
            for task in (*beside, working):
                task.cancel()
            await asyncio.gather(*beside, working, return_exceptions=True)
        if not working.cancelled() and (error := working.exception()) is not None:
            self._fail(error)
        try:
            await self.journal.finish(LAST_TRY if self.stop.is_set() else None)
        except SLLMError as error:
            self._fail(error)
        self.seconds = self.clock() - began

    def fail(self, error: SLLMError) -> None:
        """It cannot go on. Lines that run may finish."""
        self._fail(error)
        self.stop.set()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, SLLMError):
            if isinstance(error, Exception):
                raise error
            return
        self.failure = self.failure or error

    async def _left(self) -> AsyncIterator[Line | BadLine]:
        """The lines that have no result yet; those that are not run as BadLine."""
        turn = self.clock()
        for line in self.source:
            if line.number not in self.journal:
                yield self.judged(line)
            if (now := self.clock()) - turn > TURN:
                await asyncio.sleep(0)
                turn = now
        self._check_input()

    def judged(self, line: Line | BadLine) -> Line | BadLine:
        """A line that cannot be run as BadLine."""
        if isinstance(line, BadLine):
            return line
        if line.number in self.doubled:
            text = f"Line {line.number}: its custom_id is that of an earlier line too: give each line its own."
            return BadLine(line.number, line.custom_id, "duplicate_custom_id", text)
        if not self.target.known(line.model, line.url):
            return BadLine(line.number, line.custom_id, "model_not_found", f"{self.target.unknown(line.model)}.")
        return line

    async def _watched(self, line: Line) -> Answer:
        answer = await self.send(line)
        if answer.loading:
            self.away = self.away or self.clock()
            return answer
        self.away = None
        if self.target.url is not None and (why := _hopeless(answer)):
            if self.failure is None:
                self.fail(StartError(f"{self.target.url} {why}: {_message(answer)}"))
            return Answer(answer.status, answer.request_id, answer.body, loading=True)  # this line has no result: it runs next time
        return answer

    def keep(self, result: Result | BadLine) -> None:
        """Write how a line ended. Raises StartError where the output cannot be written any more."""
        journal = self.journal
        if isinstance(result, BadLine):
            id = request_id(journal.job, result.number)
            journal.write(result.number, failed_line(id, result.number, result.custom_id, None, (result.code, result.message)), False)
            return
        line, answer, error = result.line, result.answer, result.error
        id = request_id(journal.job, line.number)
        if answer is not None and answer.ok and not is_object(answer.body):
            error = ("invalid_answer", "The server's answer is no JSON object.")
        if answer is not None and answer.ok and error is None:
            journal.write(line.number, ok_line(id, line, answer), True)
        else:
            journal.write(line.number, failed_line(id, line.number, line.custom_id, answer, error), False)

    async def _draw(self) -> None:
        while True:
            self.draw()
            if self.away is not None and self.target.url is not None and not self.stop.is_set():
                self.progress.waits(f"{self.target.url} cannot be reached: waiting for it")
                if self.clock() - self.away > AWAY:
                    self.fail(StartError(f"{self.target.url} has not been reachable for {AWAY / 60:.0f} minutes"))
            elif self.away is None and self.journal.room.is_set():
                self.progress.waits("")
            await asyncio.sleep(DRAW)

    def draw(self) -> None:
        ok, failed = self.journal.ok.count, self.journal.failed.count
        self.progress.show(ok + failed, failed, self.totals.completion_tokens)

    def _disk(self, full: bool) -> None:
        self.progress.waits(f"the disk of {self.journal.out} is full: waiting for room; nothing new is sent" if full else "")

    async def _look_at_input(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_INPUT)
            self._check_input()

    def _check_input(self) -> None:
        if what := self.checked.fingerprint.change(self.source.path):
            self.fail(StartError(f"{self.source.path} {what} while the job ran: its results so far are in {self.journal.out}"))

    async def _sync(self) -> None:
        try:
            await self.journal.keep_synced()
        except SLLMError as error:
            self.fail(error)

    async def _end(self, working: asyncio.Task[Any], grace: float) -> None:
        await self.stop.wait()
        hurry = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({hurry}, timeout=grace)
        hurry.cancel()
        working.cancel()


class _WithRoom:
    """`share` while the journal's disk has room."""

    def __init__(self, share: Share, journal: Journal) -> None:
        self.share, self.room = share, journal.room
        self.leave = share.leave

    async def enter(self, model: str) -> None:
        if not self.room.is_set():
            await self.room.wait()
        await self.share.enter(model)


def _hopeless(answer: Answer) -> str | None:
    """Why every other line would meet the same refusal."""
    if answer.status == 401:
        return "refuses the API key"
    if answer.status == 429 and b"insufficient_quota" in answer.body:
        return "has no quota left"
    return None


class _Error(msgspec.Struct):
    message: str = ""


class _Body(msgspec.Struct):
    error: _Error


def _message(answer: Answer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Body).error.message
    except (msgspec.DecodeError, RecursionError):
        return f"status {answer.status}"
