"""A question's vector within a deadline: an embedder that is slow or down is a miss and a metric, never an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.cache.semantic.embedders.base import Embedder, EmbedderDown, TooLong, Vector
from server.cache.semantic.measures import Measures

MOST_WAITING = 64  # questions under way at once; more would only wait for each other
FAILURES = 3  # in a row, after which the embedder is left alone for a while
PAUSE = 5.0  # seconds

log = logging.getLogger("sllm")


class Embedding:
    """`clock` gives seconds that only rise."""

    def __init__(self, embedder: Embedder, deadline: float | None, measures: Measures, clock: Callable[[], float]) -> None:
        self.embedder = embedder
        self.deadline = deadline if deadline is not None else embedder.deadline
        self.measures = measures
        self.clock = clock
        self._waiting: dict[str, asyncio.Task[Vector | None]] = {}
        self._failures = 0
        self._until = 0.0

    def start(self, text: str) -> asyncio.Task[Vector | None] | None:
        """Begin to embed `text`; the task gives None where the embedder fails. None: it is not asked now."""
        running = self._waiting.get(text)
        if running is not None:
            return running
        if len(self._waiting) >= MOST_WAITING or self.clock() < self._until:
            self.measures.embedder.labels("paused").inc()
            return None
        task = self._waiting[text] = asyncio.get_running_loop().create_task(self._embed(text))
        task.add_done_callback(lambda _: self._waiting.pop(text, None))
        return task

    async def within_deadline(self, task: asyncio.Task[Vector | None]) -> Vector | None:
        """The vector, or None where it takes too long; the task goes on, so that the question can still be learnt."""
        if not task.done():
            await asyncio.wait({task}, timeout=self.deadline)
        if task.done():
            return task.result()
        self.measures.embedder.labels("slow").inc()
        self._failed(f"it took longer than {self.deadline * 1000:g} ms")
        return None

    async def close(self) -> None:
        tasks = list(self._waiting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.embedder.close()

    async def _embed(self, text: str) -> Vector | None:
        began = self.clock()
        try:
            (vector,) = await self.embedder.embed([text])
        except TooLong:
            self.measures.embedder.labels("long").inc()
            return None
        except EmbedderDown as error:
            self.measures.embedder.labels("down").inc()
            self._failed(str(error))
            return None
        except Exception as error:  # whatever an embedder does, a request must not see it
            self.measures.embedder.labels("down").inc()
            self._failed(f"{type(error).__name__}: {error}")
            return None
        took = self.clock() - began
        self.measures.embed_seconds.observe(took)
        if took <= self.deadline:
            self._failures = 0
        return vector

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            if self._failures == FAILURES:
                log.warning("The semantic cache's embedder fails (%s): questions are misses until it answers again.", why[:200])
            self._until = self.clock() + PAUSE
