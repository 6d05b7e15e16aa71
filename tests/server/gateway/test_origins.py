"""What answers are kept under, where engines are somebody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.cache.identity import Origin
from tests.scripted import Reply, Request, Scripted
from tests.server.gateway.conftest import Gateways, cached

ON = {"cache": {"store": "memory"}}
CARD: dict[str, Any] = {"id": "m", "object": "model", "root": "org/model", "max_model_len": 2048}


def says(*cards: dict[str, Any], status: int = 200) -> Any:
    async def script(request: Request, reply: Reply) -> None:
        await reply.json({"object": "list", "data": list(cards)}, status)

    return script


async def asks(running: Any) -> Origin | None:
    engine = running.app.catalogue.engines["m"]
    await running.app.watcher.origins.ask(engine)
    return running.app.catalogue.targets["m"].origin  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "other", [{"root": "org/other"}, {"max_model_len": 4096}, {"quantization": {"weights_digest": "sha256:1"}}], ids=str
)
async def test_another_model_at_the_same_address_is_noticed(other: dict[str, Any], gateway: Gateways) -> None:
    async with Scripted(says(CARD)) as engine, gateway(engine, **ON) as running:
        await cached(running)
        before = await asks(running)
        engine.script = says({**CARD, **other})
        assert await asks(running) != before


async def test_what_varies_from_call_to_call_is_not_another_model(gateway: Gateways) -> None:
    async with Scripted(says({**CARD, "created": 1, "permission": [{"id": "a"}]})) as engine, gateway(engine, **ON) as running:
        await cached(running)
        before = await asks(running)
        engine.script = says({**CARD, "created": 2, "permission": [{"id": "b"}]})
        assert await asks(running) == before


async def test_an_upstream_that_does_not_tell_counts_by_its_address(gateway: Gateways) -> None:
    async with Scripted(says(status=404)) as engine, gateway(engine, **ON) as running:
        await cached(running)
        assert (await asks(running)) is not None


async def test_one_that_is_down_for_a_while_counts_with_what_it_told_last(gateway: Gateways) -> None:
    async with Scripted(says(CARD)) as one, Scripted(says(CARD)) as two, gateway(one, two, **ON) as running:
        await cached(running)
        before = await asks(running)
        two.script = says(status=503)
        assert await asks(running) == before


async def test_the_models_section_counts(gateway: Gateways) -> None:
    async with Scripted(says(CARD)) as engine:
        found = set()
        for section in ({}, {"engine_args": {"a": 1}}, {"dtype": "float16"}):
            async with gateway(models=[{"name": "m", "upstreams": [engine.url], **section}], **ON) as running:
                await cached(running)
                found.add(running.app.catalogue.targets["m"].origin)
    assert len(found) == 3


async def test_nobody_is_asked_where_the_cache_is_off(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        while not engine.connections:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert running.app.catalogue.targets["m"].origin is None
    assert engine.requests == []
