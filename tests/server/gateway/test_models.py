"""Which model a request means."""

from __future__ import annotations

import json

import openai
import pytest

from tests.scripted import Scripted, sse
from tests.server.gateway.conftest import Gateways

MESSAGES = [{"role": "user", "content": "hi"}]
PATH = "/v1/chat/completions"


def two(engine: Scripted) -> dict[str, object]:
    """Two models and a persona over one scripted engine."""
    return {
        "models": [{"name": "chat", "upstreams": [engine.url]}, {"name": "Org/Embed 1", "upstreams": [engine.url]}],
        "personas": {"poet": {"model": "chat", "system": "You are a poet.", "temperature": 0.5}},
    }


async def test_the_list_of_models(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(**two(engine)) as running:
        client = running.openai()
        models = [m async for m in await client.models.list()]
        poet = await client.models.retrieve("poet")
        embed = await client.models.retrieve("Org/Embed 1")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("poem")
    assert [m.id for m in models] == ["chat", "Org/Embed 1", "poet"]
    assert models[0].object == "model"
    assert models[0].owned_by == "sllm"
    assert (poet.root, poet.parent) == ("chat", "chat")  # type: ignore[attr-defined]
    assert embed.id == "Org/Embed 1"
    assert caught.value.code == "model_not_found"


async def test_an_adapter_is_a_model_with_a_parent(gateway: Gateways) -> None:
    models = [{"name": "chat", "path": "/m", "adapters": {"support": "/a"}}]
    async with gateway(models=models) as running, running.http() as http:
        card = (await http.get("/v1/models/support")).json()
    assert (card["id"], card["parent"], card["root"]) == ("support", "chat", "/a")


async def test_an_unknown_model_names_the_known_ones_nearest_first(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(**two(engine)) as running, running.http() as http:
        answer = await http.post(PATH, json={"model": "poett", "messages": MESSAGES})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "'poett' does not exist here. Known: 'poet', 'chat', 'Org/Embed 1'." in error["message"]


async def test_without_a_model_the_only_one_is_taken(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(PATH, json={"messages": MESSAGES})
    assert answer.status_code == 200
    assert engine.requests[0].json == {"messages": MESSAGES, "model": "m"}


async def test_without_a_model_and_with_several_it_is_asked_for(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(**two(engine)) as running, running.http() as http:
        answer = await http.post(PATH, json={"messages": MESSAGES})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "'chat', 'Org/Embed 1', 'poet'" in answer.json()["error"]["message"]


async def test_a_persona_speaks_through_its_model(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(**two(engine)) as running, running.http() as http:
        answer = await http.post(PATH, json={"model": "poet", "messages": MESSAGES})
        log = running.log
    sent = engine.requests[0].json
    assert sent["model"] == "chat"
    assert sent["messages"][0] == {"role": "system", "content": "You are a poet."}
    assert sent["temperature"] == 0.5
    assert answer.headers["x-sllm-model"] == "chat"
    assert log[0]["model"] == "poet"


async def test_a_model_name_that_is_no_header_is_escaped(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(models=[{"name": "모델", "upstreams": [engine.url]}]) as running, running.http() as http:
        answer = await http.post(PATH, json={"model": "모델", "messages": MESSAGES})
    assert answer.headers["x-sllm-model"] == "%EB%AA%A8%EB%8D%B8"


async def test_upstreams_of_others_get_streams_unchanged(engine: Scripted, gateway: Gateways) -> None:
    engine.script = sse(["a"])
    body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
    async with gateway(engine) as running, running.http() as http:
        await http.post(PATH, content=body)
    assert engine.requests[0].body == body
