import asyncio
import json
from typing import Any

import pytest

from server.engine import watch
from server.engine.client import Answer
from server.settings import Watchdog

FAST = Watchdog(interval="1ms", probe_after="5ms", stalled_after="60ms")


class Clock:
    """A millisecond passes at each look, however slow the machine is."""

    time = 0.0

    def __call__(self) -> float:
        self.time += 0.001
        return self.time


class Scripted:
    """An engine behind `ask`: which of its paths answer, and how many tokens it has made."""

    def __init__(self, *, metrics: bool = True, work: bool = True, flows: bool = False, status: int = 200):
        self.metrics, self.work, self.flows, self.status = metrics, work, flows, status
        self.tokens = 0
        self.bodies: list[Any] = []
        self.paths: list[str] = []

    async def ask(self, address: str, method: str, path: str, body: Any = None, *, timeout: float) -> Answer:
        self.paths.append(path)
        if path == "/metrics":
            if not self.metrics:
                raise TimeoutError
            self.tokens += self.flows
            return Answer(200, f'vllm:generation_tokens_total{{model_name="m"}} {self.tokens}.0\nvllm:other 9\n'.encode())
        if path == "/health":
            return Answer(200, b"")
        if path == "/v1/models":
            return Answer(200, json.dumps({"data": [{"max_model_len": 77}]}).encode())
        if path == "/version":
            return Answer(200, b'{"version": "1.2"}')
        self.bodies.append(body)
        if not self.work:
            await asyncio.sleep(timeout)
            raise TimeoutError
        return Answer(self.status, b"{}")

    def client(self, task: Any = "generate", **more: Any) -> watch.EngineClient:
        return watch.EngineClient("unix:/s", "m", task, ask=self.ask, **more)


async def stalls(engine: Scripted, within: float) -> str | None:
    try:
        return await asyncio.wait_for(watch.until_stalled(engine.client(), FAST, lambda: None, now=Clock()), within)
    except TimeoutError:
        return None


async def test_an_engine_whose_counters_move_is_not_asked() -> None:
    engine = Scripted(flows=True)
    assert await stalls(engine, 0.3) is None
    assert engine.bodies == []


async def test_an_idle_engine_that_answers_the_probe_is_well() -> None:
    engine = Scripted()
    assert await stalls(engine, 0.3) is None
    assert engine.bodies


async def test_an_engine_that_answers_health_and_metrics_only_is_stalled() -> None:
    assert "no token for" in str(await stalls(Scripted(work=False), 5))


async def test_an_engine_whose_server_is_silent_is_stalled() -> None:
    assert await stalls(Scripted(metrics=False, work=False), 5)


async def test_a_probe_that_waits_while_others_progress_is_no_stall() -> None:
    assert await stalls(Scripted(work=False, flows=True), 0.3) is None


async def test_progress_is_told() -> None:
    told: list[int] = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.until_stalled(Scripted(flows=True).client(), FAST, lambda: told.append(1), now=Clock()), 0.3)
    assert told


async def test_ready_means_that_a_token_came() -> None:
    engine, answering = Scripted(), list[int]()
    facts = await watch.until_ready(engine.client(), lambda: answering.append(1))
    assert (facts.max_model_len, facts.version, answering) == (77, "1.2", [1])
    assert engine.paths.index("/v1/completions") > engine.paths.index("/health")


@pytest.mark.parametrize(("task", "path"), [("generate", "/v1/completions"), ("embed", "/v1/embeddings"), ("score", "/v1/score")])
async def test_the_probe_suits_the_task(task: str, path: str) -> None:
    engine = Scripted()
    assert await engine.client(task).one_token(1)
    assert engine.paths == [path]


async def test_priority_is_sent_only_where_it_is_taken() -> None:
    engine = Scripted()
    await engine.client().one_token(1)
    await engine.client(priority=False).one_token(1)
    assert [("priority" in body) for body in engine.bodies] == [True, False]


async def test_a_model_that_takes_no_probe_is_asked_for_its_health() -> None:
    engine = Scripted(status=404)
    client = engine.client()
    assert await client.one_token(1)
    assert await client.one_token(1)
    assert engine.paths == ["/v1/completions", "/health"]


async def test_a_probe_that_fails_inside_the_engine_is_no_token() -> None:
    assert not await Scripted(status=500).client().one_token(1)


async def test_an_engine_that_computes_a_long_step_gets_more_time() -> None:
    clock = Clock()
    client = Scripted(work=False).client()
    said = await asyncio.wait_for(watch.until_stalled(client, FAST, lambda: None, computed=lambda: clock.time, now=clock), 30)
    assert clock.time > 5 * FAST.stalled_after
    assert "no token for" in said


async def test_an_engine_that_computes_nothing_gets_no_more_time() -> None:
    clock = Clock()
    client = Scripted(work=False).client()
    await asyncio.wait_for(watch.until_stalled(client, FAST, lambda: None, computed=lambda: 3.0, now=clock), 30)
    assert clock.time < 2 * FAST.stalled_after
