"""What the gateway lends to batch work: its pipeline as a `Send`, its models' names, metrics; and threads for its routes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from server.batch.base import Share
from server.batch.store.database import is_passing
from server.batch.store.records import OVER, RUNNING, Batch, Counts, Problem
from server.batch.store.store import Store
from server.batch.worker import Worker
from server.errors import StorageFull
from server.gateway.background import PipelineSend

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp

T = TypeVar("T")

UPLOADS = 4  # that write to the disk at one moment
REASONS = ("disk_full", "disk_error")


class Batching:
    """Begins with the application. Nothing is made on the disk before the first upload."""

    def __init__(self, app: GatewayApp) -> None:
        self.settings = app.settings
        self.store = Store(app.settings.gateway.data_dir)
        self.metrics = BatchMetrics(app.metrics.registry)
        self.uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self.worker: Worker | None = None
        self.app = app

    def open(self, share: Share) -> None:
        """Begin to work. On the application's loop."""
        app = self.app
        self.worker = Worker(self.store, self.settings.batch, PipelineSend(app), share, app.catalogue.targets.keys, self.metrics)
        self.worker.start()

    def tick(self) -> None:
        if self.worker is not None and self.app.drain.active:
            self.worker.drain()

    def wake(self) -> None:
        if self.worker is not None:
            self.worker.wake()

    def notes(self, batch: Batch) -> tuple[Problem, ...]:
        return self.worker.notes(batch) if self.worker is not None else ()

    def counts(self, batch: Batch) -> Counts:
        """Of a batch that runs. In a thread."""
        with suppress(FileNotFoundError):
            work = self.store.work(batch.id)
            try:
                return work.counts()
            finally:
                work.close()
        return batch.counts

    async def ask(self, function: Callable[..., T], *args: Any) -> T:
        """Call what waits for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self.uploads, function, *args)

    async def keep(self, function: Callable[[], T]) -> T:
        """Call what writes to the disk, which is made ready first. Raises StorageFull."""

        def prepared() -> T:
            self.store.prepare()
            return function()

        return await self.full(self.ask(prepared))

    async def full(self, writing: Awaitable[T]) -> T:
        """Raises StorageFull where the disk takes no more."""
        try:
            return await writing
        except (OSError, sqlite3.Error) as error:
            if is_passing(error):
                said = f"The disk of the gateway takes no more ({error}), so nothing was kept: free space there, or delete files."
                raise StorageFull(said) from None
            raise

    async def close(self) -> None:
        if self.worker is not None:
            await self.worker.close()
        self.uploads.shutdown()
        self.store.close()


class BatchMetrics:
    """The batches' metrics (Prometheus). Called from threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lines = Counter("sllm_batch_lines", "Lines of batches that have ended.", ("result",), registry=registry)
        self._tokens = Counter("sllm_batch_tokens", "Tokens of batches' lines.", ("kind",), registry=registry)
        told = {"registry": registry, "multiprocess_mode": "livemax"}
        self._batches = Gauge("sllm_batches", "Batches by status.", ("status",), **told)  # type: ignore[arg-type]
        self._paused = Gauge("sllm_batch_paused", "1 while batch work waits, and why.", ("reason",), **told)  # type: ignore[arg-type]

    def lines(self, ok: int, failed: int, prompt: int, completion: int) -> None:
        for result, count in (("completed", ok), ("failed", failed)):
            if count:
                self._lines.labels(result).inc(count)
        for kind, count in (("prompt", prompt), ("completion", completion)):
            if count:
                self._tokens.labels(kind).inc(count)

    def batches(self, by_status: dict[str, int]) -> None:
        for status in (*RUNNING, *OVER):
            self._batches.labels(status).set(by_status.get(status, 0))

    def paused(self, reason: str | None) -> None:
        for name in REASONS:
            self._paused.labels(name).set(name == reason)
