"""A batch's first step: its input is checked, and cut into the ranges that workers claim."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from server.batch import validate
from server.batch.lines import Limits
from server.batch.store.records import Batch, Counts, Problem
from server.batch.store.store import Store
from server.batch.store.work import Range, Work

TRIES = 3  # of a validation that ended without a word
AT_ONCE = 2

log = logging.getLogger("sllm")


class Validating:
    """`models` tells the names that are served here; `disk` runs what waits for the disk."""

    def __init__(self, store: Store, limits: Limits, models: Callable[[], Collection[str]], disk: Executor) -> None:
        self.store, self.limits, self.models, self.disk = store, limits, models, disk
        self.children = ThreadPoolExecutor(AT_ONCE, "batch check")
        self.checks: dict[str, validate.Check] = {}  # by batch
        self.tries: dict[str, int] = {}

    def end(self, batch_id: str) -> None:
        """The batch is cancelled, or its time is over."""
        if batch_id in self.checks:
            self.checks[batch_id].kill()

    def close(self) -> None:
        self.children.shutdown()

    async def run(self, batch: Batch) -> None:
        try:
            await self._in_thread(self.store.hold_input, batch)
        except FileNotFoundError:
            await self._fail(batch, [Problem("file_not_found", f"The input file '{batch.input_file}' is gone: upload it again.")])
            return
        job = validate.Job(
            str(self.store.input_path(batch.id)), batch.endpoint, list(self.models()), self.limits.max_lines or 0, self.limits.max_line
        )
        found = await self._examine(batch, job)
        if found is None:
            return
        if found.errors:
            problems = [Problem(code, message, line, param) for code, message, line, param in found.errors]
            if found.errors_total > len(problems):
                problems.append(Problem("more_errors", f"{found.errors_total - len(problems):,} more lines have errors."))
            await self._fail(batch, problems)
            return
        ranges = [Range(*span) for span in found.ranges]

        def begin() -> Batch | None:
            Work.make(self.store.work_path(batch.id), ranges)
            changes: dict[str, Any] = {"models": tuple(found.models), "model": found.models[0], "fingerprint": found.fingerprint}
            changes |= {"counts": Counts(sum(span.lines for span in ranges)), "times": {"in_progress": int(self.store.clock())}}
            begun = self.store.state.change(batch.id, ("validating",), status="in_progress", owner=None, **changes)
            if begun is None and ((now := self.store.state.batch(batch.id)) is None or now.over):
                self.store.drop_work(batch.id)  # cancelled, and ended already
            return begun

        await self._in_thread(begin)

    async def _examine(self, batch: Batch, job: validate.Job) -> validate.Found | None:
        """None: it ended without a word, and is tried again."""
        check = self.checks[batch.id] = validate.Check(job)
        talk = asyncio.get_running_loop().run_in_executor(self.children, check.run)
        try:
            found = await asyncio.shield(talk)
        finally:
            del self.checks[batch.id]
            if not talk.done():
                check.kill()
                await asyncio.gather(talk, return_exceptions=True)
        if found is not None or check.killed:
            return found
        tries = self.tries[batch.id] = self.tries.get(batch.id, 0) + 1
        log.warning("batches: validating %s ended (exit %s)", batch.id, check.code)
        if tries >= TRIES:
            text = f"Validating the file failed (exit {check.code}): see the gateway's log, then create the batch again."
            await self._fail(batch, [Problem("validation_failed", text)])
        return None

    async def _fail(self, batch: Batch, problems: Sequence[Problem]) -> None:
        def end() -> None:
            now = int(self.store.clock())
            ended = self.store.state.change(
                batch.id, ("validating",), status="failed", owner=None, errors=tuple(problems), times={"failed": now}
            )
            if ended is not None:
                self.store.drop_work(batch.id)

        await self._in_thread(end)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.disk, function, *args)
