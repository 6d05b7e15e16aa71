"""The answer to another question that means the same: server/cache/semantic behind the gateway."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

import msgspec

from server.cache.control import Control
from server.cache.entry import Entry
from server.cache.semantic.embedders.base import EmbedderDown, Post
from server.cache.semantic.embedders.choose import choose
from server.cache.semantic.measures import Measures
from server.cache.semantic.question import question_of
from server.cache.semantic.serve import Asked, Semantic
from server.cache.shapes import addressed, fits, with_stream
from server.errors import ConfigError, NotInCache
from server.gateway.call import Call
from server.gateway.catalogue import Catalogue
from server.gateway.inflight import Drain
from server.gateway.inputs import NOT_KEPT
from server.gateway.internal import EMBEDDINGS, Internal
from server.gateway.kept import Kept
from server.gateway.metrics import Metrics
from server.gateway.replay import SEMANTIC, send_entry
from server.settings import Settings


class Similar:
    """Comes after the exact look-up. Raises NotInCache."""

    question_of = staticmethod(question_of)

    def __init__(self, kept: Kept, semantic: Semantic) -> None:
        self.kept = kept
        self.semantic = semantic
        self.paced = kept.settings.replay == "paced"
        self.timed = kept.metrics.semantic_timed
        kept.learn = semantic.learn

    def __call__(self, call: Call) -> Awaitable[bool] | None:
        """None: the next step is asked."""
        asked = self._ask(call)
        said = call.control
        if asked is not None and said is not None:
            call.asked = asked
            if said.read and asked.key not in self.kept.flights.running:  # an answer that is being made is nearer than a similar one
                if self.semantic.serves:
                    return self._find(call, asked)
                self.semantic.watch(asked, self._usable(call, said))
        if said is not None and said.only_if_cached:
            raise NotInCache(NOT_KEPT)
        return None

    def _ask(self, call: Call) -> Asked | None:
        identity, said, target = call.identity, call.control, call.target
        if identity is None or identity.semantic is None or said is None or target is None or target.origin is None:
            return None
        origin = msgspec.structs.replace(target.origin, namespace=said.namespace) if said.namespace else target.origin
        return self.semantic.ask(identity, origin, target.name, call.path, call.body)

    def _usable(self, call: Call, said: Control) -> Callable[[Entry], bool]:
        """Whether a kept answer is fresh enough for the client, and can have the shape that it asks for."""

        def usable(entry: Entry) -> bool:
            fresh = said.max_age is None or self.kept.clock() - entry.created <= said.max_age
            return fresh and fits(entry, call.stream, call.include_usage)

        return usable

    async def _find(self, call: Call, asked: Asked) -> bool:
        said = call.control
        assert said is not None
        assert call.target is not None

        began = time.perf_counter()
        entry = await self.semantic.find(asked, self._usable(call, said), keeps=said.write)
        self.timed(time.perf_counter() - began)
        if entry is None:
            if said.only_if_cached:
                raise NotInCache(NOT_KEPT)
            return False
        call.cache = SEMANTIC
        self.kept.metrics.saved(call.target.name, entry.prompt_tokens, entry.completion_tokens, entry.engine_seconds)
        if call.stream:
            entry = with_stream(entry)
        if entry.kind == "responses":
            entry = addressed(entry, call.body)
        await send_entry(call, entry, max(0, int(self.kept.clock() - entry.created)), self.paced)
        return True


def open_similar(settings: Settings, kept: Kept, catalogue: Catalogue, drain: Drain, metrics: Metrics) -> Similar:
    """The step that the configuration asks for. Raises ConfigError."""
    chosen = settings.cache.semantic
    if chosen.judge is not None and chosen.judge not in catalogue.targets:
        raise ConfigError(f"cache.semantic.judge: '{chosen.judge}' is no served model: one of {', '.join(catalogue.targets)}.")
    internal = Internal(catalogue, drain)

    def post(name: str) -> Post:
        async def ask(body: bytes) -> bytes:
            answer = await internal.generate(name, EMBEDDINGS, body)
            if answer is None:
                raise EmbedderDown(f"the model '{name}' gives no embedding")
            return answer

        return ask

    async def generate(name: str, path: str, body: bytes) -> bytes | None:
        return await (internal.ask if name == chosen.judge else internal.generate)(name, path, body)

    semantic = Semantic(
        chosen,
        choose(chosen, catalogue.targets.keys(), post),
        kept.levels,
        kept.get,
        lambda key: not kept.levels.may_have(key) and kept.now(key) is None,
        generate,
        internal.idle,
        Measures(metrics.registry),
        kept.metrics.audited,
        time.monotonic,
        random.random,
    )
    return Similar(kept, semantic)
