"""What an answer depends on besides its request: the model behind a name, as far as the gateway can know it.

Of our own engines the supervisor tells digests of what they have loaded. Of engines that somebody else runs we know
their addresses, what their /v1/models says, and our own configuration. Until that is known nothing is answered from the
cache; nothing waits for it either.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from server.cache.identity import Origin
from server.gateway.catalogue import Catalogue, Engine, Target
from server.gateway.upstream.balance import Upstream
from server.gateway.upstream.get import get
from server.settings import Model, Settings

if TYPE_CHECKING:
    from server.guards.policy import Policies

PATIENCE = 3.0  # seconds for an upstream to say what it serves
VARIES = ("created", "permission")  # of a model's card: another value each time it is asked for


class Origins:
    """Keeps `origin` of every target true. `renew` after an engine has changed."""

    def __init__(self, settings: Settings, catalogue: Catalogue, policies: Policies | None = None) -> None:
        self.catalogue = catalogue
        self.models = {model.name: _configured(model) for model in settings.models}
        self.personas = {name: digest(persona.model_dump_json()) for name, persona in settings.personas.items()}
        self.policies = policies
        self.said: dict[str, str] = {}  # an upstream's address -> what it serves

    def renew(self, engine: Engine) -> None:
        for target in self.catalogue.targets.values():
            if target.engine is engine:
                target.origin = self._origin(target, engine)

    async def ask(self, engine: Engine) -> None:
        """Ask the upstreams of somebody else what they serve. One that does not tell counts with what it told last."""
        cards = await asyncio.gather(*(_cards(upstream) for upstream in engine.upstreams))
        for upstream, card in zip(engine.upstreams, cards, strict=True):
            if card is not None:
                self.said[upstream.address.url] = card
        addresses = sorted(upstream.address.url for upstream in engine.upstreams)
        told = {self.said[address] for address in addresses if address in self.said}
        engine.weights = digest(msgspec.json.encode([addresses, sorted(told)])) if told else ""
        self.renew(engine)

    def _origin(self, target: Target, engine: Engine) -> Origin | None:
        adapter = engine.adapters.get(target.answers_as, "") if target.answers_as != engine.name else "none"
        if not engine.weights or (engine.ours and not adapter):
            return None
        return Origin(
            tenant="",
            namespace="",
            model=target.name,
            weights=engine.weights,
            adapter=adapter or target.answers_as,
            template=engine.template,
            engine=f"{engine.version} {self.models[engine.name]}",
            persona=self.personas[target.name] if target.persona else "",
            policy=self._policy(target.name),
        )

    def _policy(self, model: str) -> str:
        policy = self.policies.of(model) if self.policies is not None else None
        return policy.digest if policy is not None else ""


def _configured(model: Model) -> str:
    """Parsers, types and flags change answers too. The weights' digest stands for where they lie."""
    return digest(model.model_dump_json(exclude={"path", "revision", "upstreams", "adapters"}))


def digest(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


async def _cards(upstream: Upstream) -> str | None:
    """What an upstream's /v1/models says, without what varies; "" where it has no such list, None where it does not answer."""
    answer = await get(upstream, "/v1/models", "application/json", PATIENCE)
    if answer is None or answer[0] >= 500:
        return None
    status, body = answer
    try:
        data = msgspec.json.decode(body) if status == 200 else {}
        found: Iterable[Any] = data["data"]
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError):
        return ""
    cards = [{k: v for k, v in card.items() if k not in VARIES} if isinstance(card, dict) else card for card in found]
    return msgspec.json.encode(cards, order="deterministic").decode()
