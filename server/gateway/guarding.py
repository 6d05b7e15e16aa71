"""The guards behind the gateway: their policies, and what they are lent of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.cache.semantic.embedders.base import EmbedderDown, Post
from server.cache.semantic.embedders.choose import choose
from server.errors import ConfigError
from server.gateway.catalogue import Catalogue
from server.gateway.guard_metrics import GuardMetrics
from server.gateway.inflight import Drain
from server.gateway.internal import EMBEDDINGS, Internal, tokens_of
from server.gateway.metrics import Metrics
from server.guards.base import Tools
from server.guards.policy import Policies
from server.settings import Semantic, Settings

if TYPE_CHECKING:
    from server.guardsettings import Similarity


class Guarding:
    """Raises ConfigError."""

    def __init__(self, settings: Settings, catalogue: Catalogue, drain: Drain, metrics: Metrics) -> None:
        self.catalogue = catalogue
        self.internal = Internal(catalogue, drain, while_draining=True)
        self.metrics = GuardMetrics(metrics.registry)
        for guard in settings.guards:
            model = getattr(guard, "model", None)
            if guard.kind == "llm" and guard.url is None and model not in catalogue.targets:
                raise ConfigError(f"guard '{guard.label}': '{model}' is no served model: one of {', '.join(catalogue.targets)}.")
        self.policies = Policies(settings.guards, Tools(self.internal.ask, self._count, self._embedder, catalogue.targets.keys()))

    async def _count(self, model: str, text: str) -> int | None:
        """Tokens of `text` by the model's own tokenizer; None: its engine does not say."""
        target = self.catalogue.targets.get(model)
        if target is None:
            return None
        body = msgspec.json.encode({"model": target.answers_as, "prompt": text, "add_special_tokens": False})
        return tokens_of(await self.internal.generate(model, "/tokenize", body))

    def _embedder(self, section: Similarity) -> Any:
        """The embedder that a similarity guard asks for: as the semantic cache's. Raises ConfigError."""
        asked = Semantic(
            embedder=section.embedder, embedder_model=section.embedder_model, embedder_key=section.embedder_key, prefix=section.prefix
        )

        def post(name: str) -> Post:
            async def ask(body: bytes) -> bytes:
                answer = await self.internal.generate(name, EMBEDDINGS, body)
                if answer is None:
                    raise EmbedderDown(f"the model '{name}' gives no embedding")
                return answer

            return ask

        return choose(asked, self.catalogue.targets.keys(), post)
