"""The application: `create_app(settings)`.

Routes for inference are plain ASGI endpoints, found by one dictionary look-up; everything for people is FastAPI.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from server.gateway import admin, batches, files, moderations, openapi, operations
from server.gateway.access_log import AccessLog
from server.gateway.batching import Batching
from server.gateway.call import Receive, Scope, Send
from server.gateway.catalogue import Catalogue
from server.gateway.inflight import Drain, InFlight
from server.gateway.kept import open_kept
from server.gateway.metrics import Metrics
from server.gateway.origins import Origins
from server.gateway.pipeline import Endpoint, Pipeline
from server.gateway.scavenge import Feed
from server.gateway.steps.admit import Admit
from server.gateway.steps.coalesce import Coalesce
from server.gateway.steps.forward import Forward
from server.gateway.steps.lookup import LookUp
from server.gateway.steps.parse import Parse
from server.gateway.steps.record import Record
from server.gateway.steps.resolve import Resolve
from server.gateway.steps.store import Store
from server.gateway.watch import Watcher, check_upstreams
from server.settings import Settings

if TYPE_CHECKING:
    from server.gateway.guarding import Guarding
    from server.gateway.steps.guard import Guard
    from server.gateway.steps.similar import Similar

TICK = 0.1  # seconds: timeouts, clients that left, the log

INFERENCE = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/tokenize",
    "/detokenize",
)


class GatewayApp(FastAPI):
    """`direct` goes before FastAPI's routing. The parts hang here for the routes of operations and for tests."""

    def __init__(
        self, settings: Settings, state_path: Path | None, write_log: Callable[[bytes], object] | None, batches_run: bool = True
    ) -> None:
        super().__init__(
            title="sLLM Stack",
            description="vLLM behind the OpenAI API.",
            lifespan=_lifespan,
            openapi_url="/openapi.json",
            redirect_slashes=False,
        )
        check_upstreams(settings)
        self.settings = settings
        self.drain = Drain()
        self.inflight = InFlight()
        self.catalogue = Catalogue(settings)
        self.metrics = Metrics()
        self.feed = Feed(settings, self.catalogue, self.metrics.registry, state_path)
        self.access_log = AccessLog(write_log or _stderr) if settings.gateway.access_log else None
        self.kept = kept = open_kept(settings, self.metrics.registry, state_path)
        self.similar = similar = self._open_similar()
        self.guarding = guarding = self._open_guards()
        origins = Origins(settings, self.catalogue, guarding.policies if guarding else None) if kept else None
        self.watcher = Watcher(settings, self.catalogue, self.drain, state_path, origins)
        self.pipeline = Pipeline(
            Admit(self.drain),
            Parse(settings.gateway),
            Resolve(self.catalogue),
            self._guard(),
            LookUp(kept, similar.question_of if similar else None) if kept else None,
            similar,
            Coalesce(kept, self.drain) if kept else None,
            Forward(settings.upstreams.retries, self.metrics.count_error, settings.batch.priority),
            Store(kept) if kept else None,
            Record(self.metrics, self.access_log),
            self.inflight,
        )
        self.direct: dict[tuple[str, str], Endpoint] = {("POST", path): self.pipeline.endpoint(path) for path in INFERENCE}
        operations.add_routes(self)
        admin.add_routes(self)
        moderations.add_routes(self)
        self.batches_run = batches_run
        self.batching = Batching(self)
        files.add_routes(self)
        batches.add_routes(self)
        openapi.add_inference(self, INFERENCE)

    def _open_similar(self) -> Similar | None:
        if self.kept is None or self.settings.cache.semantic.mode == "off":
            return None
        from server.gateway.steps.similar import open_similar  # the gates' word lists take a tenth of a second

        return open_similar(self.settings, self.kept, self.catalogue, self.drain, self.metrics)

    def _open_guards(self) -> Guarding | None:
        if not self.settings.guards:
            return None
        from server.gateway.guarding import Guarding

        return Guarding(self.settings, self.catalogue, self.drain, self.metrics)

    async def prepare(self) -> None:
        """Load what guards need. Before the application starts, on its loop. Raises StartError."""
        if self.guarding is not None:
            await self.guarding.policies.open()

    def _guard(self) -> Guard | None:
        if self.guarding is None:
            return None
        from server.gateway.steps.guard import Guard

        return Guard(self.guarding)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = self.direct.get((scope["method"], scope["path"]))
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
            receive, send = operations.logged(self, scope, receive, send)
        await super().__call__(scope, receive, send)


def create_app(
    settings: Settings, state_path: Path | None = None, write_log: Callable[[bytes], object] | None = None, batches_run: bool = True
) -> GatewayApp:
    """The application over `settings`. Raises ConfigError.

    `state_path` is the supervisor's state file, which tells where our own engines are; without it only models with
    `upstreams` answer. `write_log` takes the request log, several lines at once; by default it goes to stderr.
    `batches_run`: work on the batches in the data folder; whoever runs lines of its own does not.
    """
    return GatewayApp(settings, state_path, write_log, batches_run)


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    app.watcher.connect_external()
    app.watcher.look()
    if app.kept is not None:
        await app.kept.levels.open()
    if app.similar is not None:
        app.similar.semantic.open()
    if app.batches_run:
        app.batching.open(app.feed.share)
    tasks = [asyncio.create_task(work) for work in (app.watcher.run(), _tick(app), app.feed.run())]
    if app.watcher.external:
        tasks.append(asyncio.create_task(app.watcher.probe()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await app.batching.close()
        if app.similar is not None:
            await app.similar.semantic.close()
        if app.guarding is not None:
            await app.guarding.policies.close()
        for engine in app.catalogue.engines.values():
            for upstream in engine.upstreams:
                upstream.pool.close()
        if app.kept is not None:
            await app.kept.close()
        await asyncio.sleep(0)  # the connections close in the loop's next round
        app.metrics.flush(0)
        if app.access_log is not None:
            app.access_log.flush()


async def _tick(app: GatewayApp) -> None:
    """The one timer: what would cost a timer for each request is counted here for all."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(TICK)
        now = time.monotonic()
        elapsed, last = now - last, now
        app.inflight.sweep()
        app.batching.tick()
        for engine in app.catalogue.engines.values():
            for upstream in engine.upstreams:
                upstream.pool.sweep(elapsed)
        if app.kept is not None:
            app.kept.tick()
        app.metrics.flush(len(app.inflight.calls))
        if app.access_log is not None:
            app.access_log.flush()


def _stderr(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
