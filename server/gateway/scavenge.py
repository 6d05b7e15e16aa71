"""Feeds batch work's share: what the engines say of themselves, and that interactive requests come and get their first tokens."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from server.batch.share import Figures, Lane, Scavenger
from server.gateway.catalogue import Catalogue, Engine
from server.gateway.upstream.get import get
from server.settings import Settings

EVERY = 0.5  # seconds between two looks at the engines, while there is batch work
PATIENCE = 2.0
NEVER = float("-inf")

_SAMPLE = re.compile(rb"^vllm:(num_requests_running|num_requests_waiting|kv_cache_usage_perc)(?:\{[^\n]*\})? (\S+)", re.MULTILINE)


class Feed:
    """`share` is the Share that batch work of this gateway worker goes by."""

    def __init__(self, settings: Settings, catalogue: Catalogue, registry: CollectorRegistry, state_path: Path | None = None) -> None:
        """Workers tell each other of interactive requests beside `state_path`."""
        self.catalogue = catalogue
        self.folder = state_path.parent if state_path is not None and settings.gateway.workers > 1 else None
        self.told: dict[str, float] = {}
        self.share = Scavenger(settings.batch, self._engine_of, settings.gateway.workers)
        for engine in catalogue.engines.values():
            engine.lane = self.share.lane(engine.name)
        labels = ("engine",)
        self._inside = Gauge(
            "sllm_batch_in_flight", "Lines of batch work in flight.", labels, registry=registry, multiprocess_mode="livesum"
        )
        self._limit = Gauge(
            "sllm_batch_limit", "Lines of batch work that may be in flight.", labels, registry=registry, multiprocess_mode="livesum"
        )

    async def run(self) -> None:
        """Look at the engines that have batch work. Never ends by itself."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except Exception:
                logging.getLogger("sllm").exception("cannot follow the engines' load")

    async def look(self) -> None:
        """Ask every engine that has batch work for its figures, and tell the metrics."""
        engines = [(e, e.lane) for e in self.catalogue.engines.values() if e.lane is not None]
        if self.folder is not None:
            for number, (engine, lane) in enumerate(engines):
                self._notice(self.folder / f"interactive{number}", engine.name, lane)
        await asyncio.gather(*(_feed(engine, lane) for engine, lane in engines if lane.working and engine.ready))
        for engine, lane in engines:
            self._inside.labels(engine.name).set(lane.inside)
            self._limit.labels(engine.name).set(lane.limit)

    def _notice(self, file: Path, engine: str, lane: Lane) -> None:
        """A worker that had an interactive request since its last look touches the file; the others see when."""
        with suppress(OSError):
            if lane.open or lane.asked != self.told.get(engine, NEVER):
                file.touch()
            elif lane.working and file.exists():
                lane.noticed(max(0.0, time.time() - file.stat().st_mtime))
        self.told[engine] = lane.asked

    def _engine_of(self, model: str) -> str:
        target = self.catalogue.targets.get(model)
        return target.engine.name if target is not None else model


async def _feed(engine: Engine, lane: Lane) -> None:
    answers = await asyncio.gather(*(get(upstream, "/metrics", "text/plain", PATIENCE) for upstream in engine.upstreams))
    told = [figures for answer in answers if answer is not None and answer[0] == 200 and (figures := figures_of(answer[1]))]
    if told:
        lane.figures(Figures(sum(f.running for f in told), sum(f.waiting for f in told), max(f.kv for f in told)))


def figures_of(metrics: bytes) -> Figures | None:
    """What vLLM's /metrics says, its replicas together; None where it is somebody else's."""
    running = waiting = 0
    kv, told = 0.0, False
    for name, value in _SAMPLE.findall(metrics):
        number, told = float(value), True
        if name == b"num_requests_running":
            running += int(number)
        elif name == b"num_requests_waiting":
            waiting += int(number)
        else:
            kv = max(kv, number)
    return Figures(running, waiting, kv) if told else None
