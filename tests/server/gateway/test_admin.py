"""/admin/cache: what is told, what is removed, and who is let in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.scripted import Scripted, talks
from tests.server.gateway.conftest import Gateways, begun, cached
from tests.server.gateway.test_cache import ASK, ON, PATH, STREAM, said

ADMIN = "/admin/cache"


async def test_what_is_kept_and_what_it_saved_is_told(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hello")
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        for _ in range(3):
            await http.post(PATH, json=ASK)
        await http.post(PATH, json=ASK, headers={"x-sllm-cache-namespace": "team"})
        assert running.app.kept is not None
        while running.app.kept.drafts:
            await asyncio.sleep(0.01)
        found = (await http.get(ADMIN)).json()
    assert (found["store"], found["up"], found["entries"]) == ("memory", True, 2)
    assert found["requests"] == {"hit": 2, "miss": 2}
    assert found["hit_rate"] == 0.5
    assert (found["saved"]["prompt_tokens"], found["saved"]["completion_tokens"]) == (10, 6)
    assert [(g["model"], g["namespace"], g["entries"]) for g in found["held"]] == [("m", "", 1), ("m", "team", 1)]


@pytest.mark.parametrize(
    ("query", "left"),
    [("", []), ("?model=m", ["p"]), ("?namespace=team", ["m", "p"]), ("?namespace=", ["m team"]), ("?model=m&namespace=team", ["m", "p"])],
)
async def test_flush_removes_what_is_named(query: str, left: list[str], engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    kept = {"cache": {"store": "sqlite"}, "gateway": {"data_dir": str(tmp_path)}, "personas": {"p": {"model": "m", "system": "x"}}}
    asks = {"m": ("m", {}), "m team": ("m", {"x-sllm-cache-namespace": "team"}), "p": ("p", {})}
    async with gateway(engine, **kept) as running, running.http() as http:
        await cached(running)
        for model, headers in asks.values():
            await http.post(PATH, json={**ASK, "model": model}, headers=headers)
        removed = (await http.delete(ADMIN + query)).json()["removed"]
        found = [
            name
            for name, (model, headers) in asks.items()
            if (await http.post(PATH, json={**ASK, "model": model}, headers={**headers, "cache-control": "only-if-cached"})).status_code
            == 200
        ]
    assert found == left
    assert removed == len(asks) - len(left)


async def test_an_answer_that_began_before_a_flush_is_not_kept(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("a", "b", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        running_now = asyncio.create_task(http.post(PATH, json=STREAM))
        await begun(engine)
        await http.delete(ADMIN)
        gate.set()
        await running_now
        assert said(await http.post(PATH, json=STREAM)) == "miss"


async def test_a_flush_reaches_the_memory_of_every_worker(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    engine.script = talks("Hello")
    several = {**ON, "gateway": {"workers": 2}}
    state = tmp_path / "state.json"
    async with gateway(engine, state=state, **several) as one, gateway(engine, state=state, **several) as two:
        async with one.http() as first, two.http() as second:
            for running, http in ((one, first), (two, second)):
                await cached(running)
                assert said(await http.post(PATH, json=ASK)) == "miss"
                assert said(await http.post(PATH, json=ASK)) == "hit"
            assert two.app.kept is not None
            assert two.app.kept.broadcast is not None
            # Both live in this process here: the other one must not take the line for its own.
            two.app.kept.broadcast.me = -1
            await first.delete(ADMIN)
            async with asyncio.timeout(5):
                while len(two.app.kept.levels.memory):
                    await asyncio.sleep(0.01)
            assert said(await second.post(PATH, json=ASK)) == "miss"


async def test_an_unknown_model_is_named(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        answer = await http.delete(f"{ADMIN}?model=n")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_cache_that_is_off_says_so(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.get(ADMIN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "cache_off")
    assert "set `cache.store`" in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "origin", "via"])
async def test_who_comes_through_a_proxy_or_from_a_page_is_not_let_in(header: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running, running.http() as http:
        for method in ("GET", "DELETE"):
            answer = await http.request(method, ADMIN, headers={header: "10.0.0.7"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("client", "status"), [("10.0.0.7", 403), ("::ffff:10.0.0.7", 403), ("::1", 200), ("::ffff:127.0.0.1", 200), (None, 403)]
)
async def test_only_this_machine_is_let_in(client: str | None, status: int, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, **ON) as running:
        sent: list[dict[str, object]] = []
        address = (client, 1) if client else None
        scope = {
            "type": "http",
            "method": "GET",
            "path": ADMIN,
            "raw_path": ADMIN.encode(),
            "query_string": b"",
            "headers": [],
            "client": address,
        }
        scope |= {"server": ("x", 1), "scheme": "http", "http_version": "1.1", "root_path": ""}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            sent.append(dict(message))  # type: ignore[call-overload]

        await running.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status
