"""Holds kept answers against fresh ones, in the engine's idle time, one after the other.

Some comparisons bring their fresh answer along (exploring, shadow mode); for audits of served hits it is generated
here. What is dropped is dropped before it is compared, so that what is counted is not a choice by outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from server.cache.semantic import judge as judging

CHAT = "/v1/chat/completions"
QUEUE = 256
LARGEST = 64 * 2**10  # bytes of a request that is kept for an audit
PATIENCE = 60.0  # seconds; an engine that is never idle is asked all the same, or nothing would be measured under load
LOOK = 0.1  # seconds between two looks whether the engine is idle

Generate = Callable[[str, str, bytes], Awaitable[bytes | None]]  # served name, route, request -> whole answer; None: it failed
Idle = Callable[[str], bool]  # whether the engine of a served name has nothing to do
Read = Callable[[str, bytes], str | None]  # route, whole answer -> its text; None: no complete answer that ended by itself
Outcome = Literal["right", "wrong", "undecided", "dropped"]

log = logging.getLogger("sllm")


@dataclass(frozen=True)
class Comparison:
    """`counts`: this was, or would have been, a hit, so that it counts for the bound. `fresh` None: to be generated."""

    partition: bytes
    shelf: bytes
    key: bytes  # of the kept answer
    similarity: float
    counts: bool
    target: str
    path: str
    body: bytes
    question: str
    kept: str
    fresh: str | None = None


class Audits:
    """`decided` takes each comparison with its outcome."""

    def __init__(
        self, judge: str | None, generate: Generate, idle: Idle, read: Read, decided: Callable[[Comparison, Outcome], None]
    ) -> None:
        self.judge = judge
        self.generate = generate
        self.idle = idle
        self.read = read
        self.decided = decided
        self._queue: deque[Comparison] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def offer(self, comparison: Comparison) -> None:
        if self._closed or len(self._queue) >= QUEUE or len(comparison.body) > LARGEST:
            self.decided(comparison, "dropped")
            return
        self._queue.append(comparison)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._closed = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until nothing is left to compare."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while self._queue:
            comparison = self._queue.popleft()
            try:
                outcome = await self._compare(comparison)
            except Exception:
                log.exception("comparing a kept answer failed")
                outcome = "undecided"
            self.decided(comparison, outcome)

    async def _compare(self, comparison: Comparison) -> Outcome:
        fresh = comparison.fresh
        if fresh is None:
            answer = await self._ask(comparison.target, comparison.path, comparison.body)
            fresh = self.read(comparison.path, answer) if answer is not None else None
            if fresh is None:
                return "undecided"
        if judging.same(comparison.kept, fresh):
            return "right"
        request = judging.request(self.judge, comparison.question, comparison.kept, fresh) if self.judge is not None else None
        if request is None or self.judge is None:
            return "wrong"
        said = await self._ask(self.judge, CHAT, request)
        if said is None:
            return "undecided"
        return "right" if judging.says_yes(said) else "wrong"

    async def _ask(self, target: str, path: str, body: bytes) -> bytes | None:
        waited = 0.0
        while not self.idle(target) and waited < PATIENCE:
            await asyncio.sleep(LOOK)
            waited += LOOK
        return await self.generate(target, path, body)
