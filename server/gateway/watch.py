"""Follows the supervisor's state file, and asks after upstreams that somebody else runs."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from server.errors import ConfigError
from server.gateway.catalogue import Catalogue, Engine
from server.gateway.inflight import Drain
from server.gateway.origins import Origins
from server.gateway.upstream.address import parse_address
from server.gateway.upstream.balance import Balancer, Upstream
from server.gateway.upstream.errors import Refused
from server.settings import Model, Settings
from server.state import EngineState, Phase, read_state

WAITING, RUNNING = 0.1, 0.5  # seconds between two looks at the file
PROBE = 2.0  # seconds between two looks at an upstream that did not answer last time
CALM = 10.0  # and at one that did


class Watcher:
    """Keeps every Engine's phase and address true. `look` once, or `run` for ever. `origins`: None where the cache is off."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, drain: Drain, state_path: Path | None, origins: Origins | None = None
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.drain = drain
        self.path = state_path
        self.origins = origins
        self.seen: tuple[int, int, int] | None = None
        self.external = [(catalogue.engines[m.name], m.upstreams) for m in settings.models if m.upstreams]
        self.keys = {m.name: upstream_key(m) for m in settings.models if m.upstreams}

    def connect_external(self) -> None:
        """Make the pools of models with `upstreams`. Raises ConfigError."""
        for engine, urls in self.external:
            engine.balancer = self._balancer(urls, self.keys[engine.name])
            engine.address = ", ".join(urls)

    async def run(self) -> None:
        """Follow the file. Never ends by itself."""
        while True:
            try:
                self.look()
            except Exception:
                logging.getLogger("sllm").exception("cannot follow %s", self.path)
            ready = all(e.ready for e in self.catalogue.engines.values())
            await asyncio.sleep(RUNNING if ready else WAITING)

    def look(self) -> None:
        """Take over the file's content if it changed."""
        if self.path is None:
            return
        try:
            stat = os.stat(self.path)
        except OSError:
            return
        mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if mark == self.seen:
            return
        state = read_state(self.path)
        if state is None:
            return
        self.seen = mark
        self.drain.told = state.draining
        for name, engine in self.catalogue.engines.items():
            if engine.ours and name in state.engines:
                self._take(engine, state.engines[name])

    def _take(self, engine: Engine, state: EngineState) -> None:
        engine.phase, engine.since, engine.detail = state.phase, state.since, state.detail
        engine.last_token = state.last_token
        engine.quantization = state.quantization
        engine.max_model_len = state.max_model_len or engine.max_model_len
        if state.address and state.address != engine.address:
            for old in engine.upstreams:
                old.pool.close()
            engine.balancer = self._balancer((state.address,))
            engine.address = state.address
        engine.ready = state.phase is Phase.READY and engine.balancer is not None
        engine.takes_priority = state.takes_priority
        if engine.lane is not None and state.slots:
            engine.lane.slots(state.slots)
        engine.version, engine.weights = state.engine_version, state.weights
        engine.template, engine.adapters = state.template, state.adapters
        if self.origins is not None:
            self.origins.renew(engine)

    def _balancer(self, urls: tuple[str, ...], key: str | None = None) -> Balancer:
        timeouts = self.settings.gateway.timeouts
        return Balancer([Upstream(parse_address(url), timeouts, key) for url in urls], self.settings.upstreams)

    async def probe(self) -> None:
        """Connect to every upstream of somebody else's now and then, so that /ready is true before a request fails."""
        while True:
            for engine, _ in self.external:
                reached = await asyncio.gather(*(_reaches(upstream) for upstream in engine.upstreams))
                engine.phase = Phase.READY if any(reached) else Phase.LOADING
                engine.detail = "" if any(reached) else f"no upstream can be reached: {engine.address}"
                if self.origins is not None and any(reached):
                    await self.origins.ask(engine)
            await asyncio.sleep(CALM if all(e.phase is Phase.READY for e, _ in self.external) else PROBE)


async def _reaches(upstream: Upstream) -> bool:
    try:
        connection = await upstream.pool.acquire(fresh=True)
    except Refused:
        return False
    upstream.pool.release(connection)
    return True


def upstream_key(model: Model) -> str | None:
    """The key for its upstreams, from the environment variable that `upstream_key` names. Raises ConfigError, which never says the key."""
    if model.upstream_key is None:
        return None
    key = os.environ.get(model.upstream_key, "").strip()
    if not key:
        raise ConfigError(f"model '{model.name}': `upstream_key` names the variable {model.upstream_key}, which is not set: export it.")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"model '{model.name}': the variable {model.upstream_key} holds characters that no API key has: export it anew.")
    return key


def check_upstreams(settings: Settings) -> None:
    """Raises ConfigError for an upstream that cannot be one."""
    for model in settings.models:
        upstream_key(model)
        for url in model.upstreams:
            try:
                parse_address(url)
            except ConfigError as error:
                raise ConfigError(f"model '{model.name}': {error.message}") from None
