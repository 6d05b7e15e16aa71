"""The lines of all running batches on their way to the engines: claimed range by range, run, handed to the writer.

One lane for the batches of one model, so that a model that loads holds up nobody else; in it, batches take turns by ranges.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from server.batch.base import Answer, BadLine, Line, Result, Send, Share
from server.batch.lines import Limits, read_line
from server.batch.runner import run
from server.batch.store.records import Batch
from server.batch.store.store import Store
from server.batch.store.work import Range, Work
from server.batch.writer import Item, Span, Writer, reason

WAIT = 1.0  # seconds until free ranges are looked for again
ABANDONED = Answer(499, "", b"")  # of a batch that has ended: nobody keeps it
NOT_NOW = Answer(503, "", b"", loading=True)
BOM = b"\xef\xbb\xbf"

log = logging.getLogger("sllm")


class InputGone(Exception):
    """The input of a batch cannot be read, or is not what was validated."""


class Job:
    """A running batch, in this process. `ended`: nothing of it is sent or kept any more."""

    def __init__(self, batch: Batch, work: Work, path: Path) -> None:
        self.id = batch.id
        self.batch = batch
        self.work = work
        self.path = path
        self.fingerprint = batch.fingerprint
        self.digest = digest_of(batch.id)
        self.lane = "\n".join(batch.models)
        self.turn = 0  # when it was last served
        self.dry = False  # no range was free at the last look
        self.ended = False
        self.sends: set[asyncio.Future[Answer]] = set()

    def end(self) -> None:
        """Stop what runs, at the engines too."""
        self.ended = True
        for send in list(self.sends):
            send.cancel()


@dataclass(frozen=True, slots=True)
class JobLine(Line):
    """A line that knows where it comes from."""

    job: Job | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class JobBad(BadLine):
    job: Job | None = None
    span: Span | None = None


class Lanes:
    """`lost` is told a batch whose input is gone, `paused` the reason why nothing is claimed, or None."""

    def __init__(
        self,
        store: Store,
        send: Send,
        share: Share,
        writer: Writer,
        disk: Executor,
        limits: Limits,
        retries: int,
        lost: Callable[[Job, str], object],
        room: Callable[[], bool],
        paused: Callable[[str | None], None],
    ) -> None:
        self.store, self.share, self.writer, self.disk = store, share, writer, disk
        self.limits, self.retries, self.lost, self.room, self.paused = limits, retries, lost, room, paused
        self.inner = send
        self.jobs: dict[str, Job] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.stop = asyncio.Event()
        self.news = asyncio.Event()
        self.going = asyncio.Event()  # results can be kept
        self.going.set()
        self.served = 0

    def add(self, job: Job) -> None:
        self.jobs[job.id] = job
        if not self.stop.is_set() and job.lane not in self.tasks:
            self.tasks[job.lane] = asyncio.create_task(self._run(job.lane))
        self.wake()

    def remove(self, job: Job) -> None:
        """Nothing of it is claimed any more. What runs of it goes on, unless `job.end()` was called."""
        self.jobs.pop(job.id, None)
        self.wake()

    def wake(self) -> None:
        """Ranges may be free again."""
        for job in self.jobs.values():
            job.dry = False
        self.news.set()

    def drain(self) -> None:
        """Claim nothing more; what is at an engine may finish."""
        self.stop.set()
        self.news.set()
        self.going.set()

    async def over(self, within: float) -> None:
        """After `drain`: wait until what runs has ended, and end it after `within` seconds."""
        tasks = list(self.tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, lane: str) -> None:
        try:
            while not self.stop.is_set() and self._has(lane):
                try:
                    await run(self._lines(lane), self._send, self.share, self._keep, retries=self.retries, stop=self.stop)
                except Exception:
                    log.exception("batches: the work of a lane failed; it goes on")
                    await asyncio.sleep(WAIT)
        finally:
            self.tasks.pop(lane, None)
            if not self.stop.is_set() and self._has(lane):  # a batch came meanwhile
                self.tasks[lane] = asyncio.create_task(self._run(lane))

    def _has(self, lane: str) -> bool:
        return any(job.lane == lane for job in self.jobs.values())

    async def _lines(self, lane: str) -> AsyncIterator[Line | BadLine]:
        """Lines of the lane's batches, a range of each in turn, as long as there are batches."""
        while not self.stop.is_set():
            mine = [job for job in self.jobs.values() if job.lane == lane]
            if not mine:
                return
            ready = [job for job in mine if not job.dry]
            if not ready or not self.room():
                self.news.clear()
                try:
                    async with asyncio.timeout(WAIT):
                        await self.news.wait()
                except TimeoutError:
                    pass
                continue
            job = min(ready, key=lambda job: job.turn)
            self.served += 1
            job.turn = self.served
            for line in await self._claim(job):
                if job.ended or self.stop.is_set():
                    break
                yield line

    async def _claim(self, job: Job) -> list[JobLine | JobBad]:
        """The lines of one more range; none where no range is free."""
        loop = asyncio.get_running_loop()
        try:
            lease = await loop.run_in_executor(self.disk, job.work.claim, self.store.alive.id)
            if lease is None:
                job.dry = True
                return []
            raws = await loop.run_in_executor(self.disk, read_range, job, lease.range)
        except FileNotFoundError:  # its work is gone: it has ended, or is about to be noticed
            job.dry = True
            return []
        except InputGone as gone:
            job.dry = True
            self.lost(job, str(gone))
            return []
        except (sqlite3.Error, OSError) as error:
            log.warning("batches: %s cannot be worked on now: %s", job.id, error)
            self.paused(reason(error))
            job.dry = True
            return []
        span = Span(lease.range)
        lines: list[JobLine | JobBad] = []
        for number, raw in raws:
            if number in lease.done:
                continue
            span.left.add(number)
            lines.append(self._line(job, span, number, raw))
        if not lines:  # all of them were done by the one who had it before
            try:
                await loop.run_in_executor(self.disk, job.work.put, [], [lease.range.first])
            except (sqlite3.Error, OSError):
                job.dry = True
            self.lost(job, "")  # somebody may have to look whether it is complete
        return lines

    def _line(self, job: Job, span: Span, number: int, raw: bytes) -> JobLine | JobBad:
        line = read_line(raw, number, self.limits)
        if isinstance(line, BadLine):  # it was fine when it was validated
            return JobBad(number, line.custom_id, line.code, line.message, line.param, job, span)
        return JobLine(number, line.custom_id, line.url, line.model, line.body, job, span)

    async def _send(self, line: Line) -> Answer:
        assert isinstance(line, JobLine)
        job = line.job
        assert job is not None
        if not self.going.is_set():
            await self.going.wait()
            if self.stop.is_set():
                return NOT_NOW
        if job.ended:
            return ABANDONED
        send = asyncio.ensure_future(self.inner(line))
        job.sends.add(send)
        try:
            return await send
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if job.ended and task is not None and not task.cancelling():
                return ABANDONED
            raise
        finally:
            job.sends.discard(send)

    def _keep(self, result: Result | BadLine) -> Awaitable[None] | None:
        line = result.line if isinstance(result, Result) else result
        assert isinstance(line, (JobLine, JobBad))
        job, span = line.job, line.span
        assert job is not None
        assert span is not None
        if not job.ended:
            answer = result.answer if isinstance(result, Result) else None
            self.writer.put(Item(job, span, line.number, result, len(answer.body) if answer is not None else 0))
        return None


def read_range(job: Job, found: Range) -> list[tuple[int, bytes]]:
    """The lines of a range that are not blank, with their numbers. Raises InputGone."""
    lines: list[tuple[int, bytes]] = []
    try:
        with job.path.open("rb", buffering=2**18) as file:
            if job.fingerprint is not None:
                now = os.fstat(file.fileno())
                if (now.st_size, now.st_mtime_ns) != job.fingerprint:
                    raise InputGone("The input file was changed while its batch ran: upload it again and create another batch.")
            file.seek(found.offset)
            for number in range(found.first, found.last + 1):
                raw = file.readline().rstrip(b"\r\n")
                if number == 1:
                    raw = raw.removeprefix(BOM)
                if raw and not raw.isspace():
                    lines.append((number, raw))
    except FileNotFoundError:
        raise InputGone("The input file is gone: upload it again and create another batch.") from None
    return lines


def digest_of(batch_id: str) -> bytes:
    """What ids of a batch's requests are made from."""
    return hashlib.sha256(batch_id.encode()).digest()
