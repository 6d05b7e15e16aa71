"""Is the engine ready, and does it still make progress?

vLLM's /health answers 200 while the engine hangs (vLLM issues 39863, 36451, 43122, 46811). Progress is told from its
token counters; where they stand still, one token is asked for. Only that answer, or the counters, count.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from server.engine import client
from server.engine.checkpoint import Task
from server.settings import Watchdog

# Sums over every label: they rise with each step of the engine, whichever kind of model it runs.
COUNTERS = re.compile(
    rb"^vllm:(?:iteration_tokens_total_(?:count|sum)|generation_tokens_total|prompt_tokens_total)(?:\{[^}]*\})? (\S+)", re.MULTILINE
)

PATIENCE = 10
AHEAD = -1000  # before everything that waits: a full queue is not a stall

Ask = Callable[..., Awaitable[client.Answer]]


@dataclass(frozen=True)
class Facts:
    """What a ready engine says of itself."""

    max_model_len: int = 0
    version: str = ""


class EngineClient:
    """The few questions that we ask an engine. `ask` is `client.request`, or a test's own.

    `priority`: whether the engine schedules by priority (it refuses one otherwise).
    """

    def __init__(self, address: str, model: str, task: Task = "generate", *, priority: bool = True, ask: Ask = client.request):
        self.address, self.model, self.task, self.priority, self.ask = address, model, task, priority, ask
        self.probed = True  # False once the engine has refused our probe: a kind of model that we do not know

    async def answers(self, timeout: float = 5.0) -> bool:
        """Whether the server answers at all; this says nothing about the engine behind it."""
        try:
            return (await self.ask(self.address, "GET", "/health", timeout=timeout)).status == 200
        except (OSError, TimeoutError):
            return False

    async def one_token(self, timeout: float) -> bool:
        """Whether the engine does a piece of real work within `timeout` seconds.

        A model that takes no such request (4xx) is asked for /health from then on: less is known of it.
        """
        if not self.probed:
            return await self.answers(timeout)
        path, body = self._probe()
        try:
            status = (await self.ask(self.address, "POST", path, body, timeout=timeout)).status
        except (OSError, TimeoutError):
            return False
        self.probed = not 400 <= status < 500
        return status < 500

    async def progress(self, timeout: float) -> float | None:
        """The sum of the token counters, or None where /metrics does not answer."""
        try:
            answer = await self.ask(self.address, "GET", "/metrics", timeout=timeout)
        except (OSError, TimeoutError):
            return None
        return sum(float(value) for value in COUNTERS.findall(answer.body)) if answer.status == 200 else None

    async def facts(self) -> Facts:
        """The longest context and the version, as far as the engine tells."""
        try:
            models = (await self.ask(self.address, "GET", "/v1/models", timeout=10)).json()
            version = (await self.ask(self.address, "GET", "/version", timeout=10)).json()
            return Facts(int(models["data"][0].get("max_model_len") or 0), str(version.get("version", "")))
        except (OSError, TimeoutError, ValueError, LookupError, AttributeError, TypeError):
            return Facts()

    def _probe(self) -> tuple[str, dict[str, Any]]:
        if self.task == "embed":
            return "/v1/embeddings", {"model": self.model, "input": "a"}
        if self.task == "score":
            return "/v1/score", {"model": self.model, "text_1": "a", "text_2": "a"}
        body: dict[str, Any] = {"model": self.model, "prompt": "a", "max_tokens": 1, "temperature": 0}
        return "/v1/completions", {**body, "priority": AHEAD} if self.priority else body


async def until_ready(engine: EngineClient, answering: Callable[[], None], poll: float = 0.2) -> Facts:
    """Wait until the engine has produced a token; `answering` is called when its server answers before that."""
    while not await engine.answers():
        await asyncio.sleep(poll)
    answering()
    while not await engine.one_token(timeout=120):
        await asyncio.sleep(poll)
    return await engine.facts()


async def until_stalled(
    engine: EngineClient,
    settings: Watchdog,
    progressed: Callable[[], None],
    *,
    computed: Callable[[], float] | None = None,
    now: Callable[[], float] = time.monotonic,
) -> str:
    """Watch until the engine has made no progress for `stalled_after`; says what was seen, in words.

    `progressed` is called at each sign of progress. `computed` gives the seconds of CPU time that the engine has used, where
    they mean something: without a GPU one step over a long prompt can take longer than `stalled_after`, and an engine that
    computes gets PATIENCE times as long. With a GPU a hung engine computes too: it spins.
    """
    last, seen = now(), None
    computed_then = computed() if computed else 0.0
    probe: asyncio.Task[bool] | None = None
    try:
        while True:
            tokens = await engine.progress(timeout=max(settings.interval, 1.0))
            answered = probe is not None and probe.done() and probe.result()
            if answered or (tokens is not None and tokens != seen and seen is not None):
                last, computed_then = now(), computed() if computed else 0.0
                progressed()
            seen = tokens if tokens is not None else seen
            quiet = now() - last
            computes = computed is not None and computed() - computed_then > quiet / 2
            if quiet >= settings.stalled_after * (PATIENCE if computes else 1):
                return f"no token for {quiet:.0f} s, and a request of one token was not answered"
            if probe is not None and probe.done():
                probe = None
            if probe is None and quiet >= settings.probe_after:
                probe = asyncio.create_task(engine.one_token(timeout=settings.stalled_after))
            await asyncio.sleep(settings.interval)
    finally:
        if probe is not None:
            probe.cancel()
