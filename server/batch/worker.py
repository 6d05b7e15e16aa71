"""What one gateway process does for batches: validates, runs lines, finalises, and takes over from processes that died.

    validating --> in_progress --> finalizing --> completed, or expired, or failed
        |               |
        |               `-> cancelling -> cancelled
        `-> failed

Any worker may do any step; a lease (a batch's `owner`, a range's `owner`) says who does it now. A worker that dies loses its leases.
Nothing happens while there is no batch: two calls of stat() a second see one come that another process took.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from server.batch import writer as writing
from server.batch.base import Send, Share
from server.batch.finalise import Stopped, finalise
from server.batch.lanes import Job, Lanes, digest_of
from server.batch.lines import Limits
from server.batch.store.database import is_passing
from server.batch.store.records import Batch, Counts, Problem
from server.batch.store.store import Store, ends
from server.batch.store.work import Kept
from server.batch.validating import Validating
from server.settings import Batch as BatchSettings

POLL = 1.0  # seconds
MOST_JOBS = 100  # batches of which this process runs lines at one time, the oldest first
LEAST_FREE = 16 * 2**20  # bytes of disk below which nothing new is sent
SWEEP_EVERY = 600.0  # seconds
LEAVE_WITHIN = 1.0  # seconds for what runs, after the drain

NOTES = {
    "disk_full": "The disk is full, so the batch waits: free space, and it goes on by itself.",
    "disk_error": "Results cannot be written to the disk, so the batch waits: see the gateway's log. It goes on by itself.",
}

log = logging.getLogger("sllm")


class Tell(Protocol):
    """What metrics hear."""

    def lines(self, ok: int, failed: int, prompt: int, completion: int) -> None: ...
    def batches(self, by_status: dict[str, int]) -> None: ...
    def paused(self, reason: str | None) -> None: ...


class Worker:
    """`models` tells the names that this gateway serves."""

    def __init__(
        self,
        store: Store,
        settings: BatchSettings,
        send: Send,
        share: Share,
        models: Callable[[], Collection[str]],
        tell: Tell,
        *,
        poll: float = POLL,
        least_free: int = LEAST_FREE,
        retry: float = writing.RETRY,
    ) -> None:
        self.store, self.settings, self.models, self.tell = store, settings, models, tell
        self.poll, self.least_free = poll, least_free
        self.limits = Limits(settings.max_lines, settings.max_line)
        self.disk = ThreadPoolExecutor(2, "batch disk")
        self.heavy = ThreadPoolExecutor(1, "batch files")
        self.validating = Validating(store, self.limits, models, self.disk)
        self.writer = writing.Writer(self._committed, self._paused_in_thread, retry)
        self.lanes = Lanes(
            store, send, share, self.writer, self.disk, self.limits, settings.retries, self._lost, self._room, self._paused
        )  # fmt: skip
        self.reason: str | None = None  # why nothing is claimed
        self.failing = False  # the writer cannot write
        self.busy: dict[str, asyncio.Task[None]] = {}  # batches that are being validated or finalised here
        self.woken = asyncio.Event()
        self.stopping = threading.Event()
        self.draining = False
        self.pending = False  # some batch has not ended
        self.mark: tuple[int, ...] = ()
        self.expiry: int | None = 0  # when the next file expires
        self.swept = -SWEEP_EVERY
        self.task: asyncio.Task[None] | None = None

    # for the gateway

    def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.writer.start()
        self.task = asyncio.create_task(self._follow())

    def wake(self) -> None:
        """Something was created or cancelled."""
        self.woken.set()

    def drain(self) -> None:
        """SIGTERM: nothing new is begun. May be called again and again."""
        if not self.draining:
            self.draining = True
            self.lanes.drain()

    async def close(self) -> None:
        """What is at an engine ends now; what was answered is kept; what is left is free for others."""
        self.drain()
        self.stopping.set()
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            await self.lanes.over(LEAVE_WITHIN)
            self.writer.close()
            for task in list(self.busy.values()):
                task.cancel()
            await asyncio.gather(*self.busy.values(), return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(None, self._leave)
        self.disk.shutdown()
        self.heavy.shutdown()
        self.validating.close()

    def notes(self, batch: Batch) -> tuple[Problem, ...]:
        """What keeps a batch from going on at the moment."""
        if batch.over:
            return ()
        found = [Problem(self.reason, NOTES[self.reason])] if self.reason is not None else []
        served = self.models()
        if batch.status == "in_progress":
            for name in batch.models:
                if name not in served:
                    text = f"The model '{name}' is not served here now, so the batch waits: start it again, or cancel the batch."
                    found.append(Problem("model_not_found", text, None, "body.model"))
        return tuple(found)

    # the loop

    async def _follow(self) -> None:
        while True:
            self.woken.clear()
            try:
                if self._due():
                    await self._look()
            except (sqlite3.Error, OSError) as error:
                log.warning("batches: %s cannot be read now: %s", self.store.path, error)
                self._paused(writing.reason(error))
            except Exception:
                log.exception("batches: looking after them failed; it goes on")
            try:
                async with asyncio.timeout(self.poll):
                    await self.woken.wait()
            except TimeoutError:
                pass

    def _due(self) -> bool:
        mark = self.store.mark()
        now = self.store.clock()
        return bool(mark) and (
            mark != self.mark or self.pending or self.reason is not None or (self.expiry is not None and now >= self.expiry)
        )

    async def _look(self) -> None:
        self.mark = self.store.mark()
        batches = await self._in_thread(self._survey)
        running = [batch for batch in batches if batch.status == "in_progress"]
        for job in list(self.lanes.jobs.values()):
            if all(batch.id != job.id for batch in running):
                await self._end(job)
        served = self.models()
        mine = [batch for batch in running if all(name in served for name in batch.models)]
        for batch in mine[:MOST_JOBS]:
            if batch.id not in self.lanes.jobs and not self.draining:
                self.lanes.add(await self._in_thread(self._job, batch))
        if not self.draining:
            for batch in batches:
                if batch.status != "validating":
                    self.validating.end(batch.id)
                if batch.status != "in_progress" and batch.id not in self.busy:
                    self.busy[batch.id] = asyncio.create_task(self._further(batch))
        self.lanes.wake()

    def _survey(self) -> list[Batch]:
        """What there is, after what time or a death has brought about. In a thread."""
        store, now = self.store, self.store.clock()
        store.prepare()
        self._check_room()
        if time.monotonic() - self.swept >= SWEEP_EVERY:
            store.sweep()
            self.swept = time.monotonic()
        if self.expiry is not None and now >= self.expiry:
            store.expire()
        self.expiry = store.state.next_expiry()
        batches = []
        unended = store.state.unended()
        self.pending = bool(unended)
        for batch in unended:
            found: Batch | None = batch
            if batch.status in ("validating", "in_progress") and now >= batch.expires:
                found = self._finalizing(batch.id, (batch.status,), "expired")
            elif batch.status == "in_progress":
                try:
                    whole = self._free(batch)
                except FileNotFoundError:
                    problem = Problem("results_lost", "The batch's results are gone from the disk: create it again.")
                    found = self._finalizing(batch.id, ("in_progress",), "failed", (problem,))
                else:
                    found = self._finalizing(batch.id, ("in_progress",), "completed") if whole else batch
            if found is not None:
                batches.append(found)
        self.tell.batches(store.state.by_status())
        return batches

    def _free(self, batch: Batch) -> bool:
        """Free what the dead hold. Whether all lines have a result."""
        job = self.lanes.jobs.get(batch.id)
        work = job.work if job is not None else self.store.work(batch.id)
        try:
            work.release_dead(self.store.alive.lives)
            return work.counts().whole
        finally:
            if job is None:
                work.close()

    def _finalizing(self, batch_id: str, was: tuple[str, ...], ending: str, errors: tuple[Problem, ...] = ()) -> Batch | None:
        now = int(self.store.clock())
        changes: dict[str, Any] = {"status": "finalizing", "times": {"finalizing": now}, **ends(ending)}
        if errors:
            changes["errors"] = errors
        return self.store.state.change(batch_id, was, **changes)

    def _job(self, batch: Batch) -> Job:
        return Job(batch, self.store.work(batch.id), self.store.input_path(batch.id))

    async def _end(self, job: Job) -> None:
        """The batch is complete, cancelled, expired or failed: what runs of it ends, and its leases are free."""
        job.end()
        self.lanes.remove(job)
        await self._in_thread(self._let_go, job)

    def _let_go(self, job: Job) -> None:
        if not self.failing:
            self.writer.flush().wait(10.0)
        with suppress(OSError, sqlite3.Error):
            job.work.release(self.store.alive.id)
        job.work.close()

    # one batch further: validated, finalised

    async def _further(self, batch: Batch) -> None:
        try:
            owned = await self._in_thread(self._own, batch)
            if owned is None:
                return
            if owned.status == "validating":
                await self.validating.run(owned)
            else:
                await self._finalise(owned)
        except Stopped:
            pass
        except Exception as error:
            if is_passing(error):
                log.warning("batches: %s waits: %s", batch.id, error)
                self._paused(writing.reason(error))
            else:
                log.exception("batches: %s could not be brought further; it is tried again", batch.id)
            await asyncio.sleep(self.poll)
        else:
            self.wake()
        finally:
            self.busy.pop(batch.id, None)

    def _own(self, batch: Batch) -> Batch | None:
        store = self.store
        if batch.owner is not None and batch.owner != store.alive.id and store.alive.lives(batch.owner):
            return None
        if batch.status != "validating" and store.work_path(batch.id).exists():
            work = store.work(batch.id)
            try:
                work.release(store.alive.id)  # nothing of it runs here any more
                if work.release_dead(store.alive.lives):
                    return None  # somebody still runs lines of it, and will notice in a moment
            finally:
                work.close()
        return batch if batch.owner == store.alive.id else store.state.own(batch.id, batch.status, batch.owner, store.alive.id)

    async def _finalise(self, batch: Batch) -> None:
        keep = self.settings.keep_files
        work = asyncio.get_running_loop().run_in_executor(
            self.heavy, finalise, self.store, batch, self.limits, digest_of(batch.id), keep, self.stopping
        )
        await work

    # lines

    def _committed(self, job: writing.Job, kept: Sequence[Kept], counts: Counts) -> None:
        """In the writer's thread."""
        ok = sum(line.ok for line in kept)
        prompt, completion = sum(line.usage.input for line in kept), sum(line.usage.output for line in kept)
        self.tell.lines(ok, len(kept) - ok, prompt, completion)
        if counts.whole:
            with suppress(sqlite3.Error, OSError):  # else the next look does it
                self._finalizing(job.id, ("in_progress",), "completed")
            self._call(self.wake)

    def _lost(self, job: Job, why: str) -> None:
        """The input of `job` is gone; `why` empty: it may just be complete."""
        if why:
            problem = Problem("input_file_changed", why)
            self.disk.submit(self._finalizing, job.id, ("in_progress",), "failed", (problem,)).add_done_callback(
                lambda _: self._call(self.wake)
            )
        else:
            self.wake()

    # room on the disk

    def _room(self) -> bool:
        return self.reason is None

    def _check_room(self) -> None:
        """In a thread."""
        low = self.store.free() < self.least_free
        if low or self.failing:
            self._call(self._paused, "disk_full" if low else self.reason or "disk_error")
        else:
            self._call(self._paused, None)

    def _paused(self, reason: str | None) -> None:
        if reason != self.reason:
            if reason is not None:
                log.warning("batches wait: %s", NOTES[reason])
            else:
                log.warning("batches go on")
            self.reason = reason
            self.tell.paused(reason)
            if reason is None or self.draining:
                self.lanes.going.set()
                self.lanes.wake()
            else:
                self.lanes.going.clear()

    def _paused_in_thread(self, reason: str | None) -> None:
        self.failing = reason is not None
        self._call(self._paused, reason)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(function, *args)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.disk, function, *args)

    def _leave(self) -> None:
        """The last of this process: what it held is free. In a thread."""
        self.writer.join(5.0)
        for job in list(self.lanes.jobs.values()):
            with suppress(OSError, sqlite3.Error):
                job.work.release(self.store.alive.id)
            job.work.close()
