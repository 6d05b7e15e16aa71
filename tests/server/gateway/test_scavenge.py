"""Batch lines beside clients' requests: their priority in the engine, and what their share learns of clients."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from server.batch.base import Line
from server.batch.share import Figures
from server.gateway.background import PipelineSend
from server.gateway.scavenge import figures_of
from server.state import EngineState, Phase, StackState, write_state
from tests.scripted import CHAT, SSE_HEAD, Reply, Request, Scripted, event
from tests.server.gateway.conftest import Gateways, Running, asked, cached

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
OURS: dict[str, Any] = {"models": [{"name": "m", "path": "models/demo"}]}
METRICS = b"""# HELP vllm:num_requests_running Number of requests.
vllm:num_requests_running{engine="0",model_name="m"} 7.0
vllm:num_requests_running{engine="1",model_name="m"} 5.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
"""


def engine_of_ours(path: Path, engine: Scripted, **state: Any) -> Path:
    """The supervisor's state file: `engine` is one that it started."""
    known = {"takes_priority": True, "weights": "w", "template": "t", "engine_version": "0.32.0", **state}
    write_state(path, StackState({"m": EngineState("m", Phase.READY, time.time(), address=engine.url, **known)}))
    return path


async def line(running: Running, **body: Any) -> int:
    answer = await PipelineSend(running.app)(Line(1, "a", "/v1/chat/completions", "m", json.dumps({**ASK, **body}).encode()))
    return answer.status


def sent(engine: Scripted) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in engine.requests if request.method == "POST"]


async def test_a_line_carries_the_priority_of_batch_work(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    async with gateway(state=engine_of_ours(tmp_path / "state", engine), batch={"priority": 7}, **OURS) as running:
        assert await line(running, seed=1) == 200
    assert sent(engine) == [{**ASK, "seed": 1, "priority": 7}]


async def test_a_priority_that_a_line_brings_is_replaced(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    async with gateway(state=engine_of_ours(tmp_path / "state", engine), **OURS) as running:
        await line(running, priority=-5)
    assert sent(engine) == [{**ASK, "priority": 100}]


async def test_a_clients_request_is_left_as_it_is(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    body = b'{"model": "m", "priority": 3, "messages": []}'
    async with gateway(state=engine_of_ours(tmp_path / "state", engine), **OURS) as running, running.http() as http:
        await http.post("/v1/chat/completions", content=body)
        await http.post("/v1/chat/completions", json=ASK)
    assert engine.requests[0].body == body
    assert sent(engine)[1] == ASK


async def test_an_engine_that_does_not_schedule_by_priority_gets_none(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    async with gateway(state=engine_of_ours(tmp_path / "state", engine, takes_priority=False), **OURS) as running:
        await line(running)
    assert sent(engine) == [ASK]


async def test_an_upstream_that_somebody_else_runs_gets_none(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        await line(running)
    assert sent(engine) == [ASK]


async def test_a_line_and_a_clients_request_share_the_cache(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    state = engine_of_ours(tmp_path / "state", engine)
    async with gateway(state=state, cache={"store": "memory"}, **OURS) as running, running.http() as http:
        await cached(running)
        await line(running)
        await asyncio.sleep(0.25)  # its entry is made by the next tick
        answer = await http.post("/v1/chat/completions", json=ASK)
    assert answer.headers["x-sllm-cache"] == "hit"
    assert asked(engine) == 1


async def test_a_clients_stream_tells_the_share_its_first_token(engine: Scripted, gateway: Gateways) -> None:
    told: list[tuple[int, int]] = []
    learnt = asyncio.Event()

    async def slow(request: Request, reply: Reply) -> None:
        told.append((lane.open, len(lane.idle)))
        await reply.raw(SSE_HEAD)
        await reply.chunk(event(CHAT))
        await learnt.wait()
        told.append((lane.open, len(lane.idle)))
        await reply.chunk(b"data: [DONE]\n\n")
        await reply.chunk(b"")

    engine.script = slow
    async with gateway(engine) as running, running.http() as http:
        lane = running.app.feed.share.lane("m")
        async with http.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as answer:
            async for _ in answer.aiter_raw():
                learnt.set()
        assert told == [(1, 0), (1, 1)]
        assert lane.open == 0


async def test_a_line_does_not_count_as_interactive(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        await line(running)
        assert not running.app.feed.share.lane("m").busy


async def test_engines_are_asked_only_while_there_is_batch_work(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        feed = running.app.feed
        engine.requests.clear()
        await feed.look()
        before = [request.path for request in engine.requests]
        await feed.share.enter("m")
        await feed.look()
        feed.share.leave("m")
    assert before == []
    assert "/metrics" in [request.path for request in engine.requests]


async def test_the_metrics_tell_lines_in_flight_and_their_limit(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine, batch={"concurrency": 12}) as running, running.http() as http:
        await running.app.feed.share.enter("m")
        await running.app.feed.look()
        text = (await http.get("/metrics")).text
    assert 'sllm_batch_in_flight{engine="m"} 1.0' in text
    assert 'sllm_batch_limit{engine="m"} 12.0' in text


async def test_a_worker_learns_of_the_others_interactive_requests(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    state = engine_of_ours(tmp_path / "state", engine)
    configuration = {**OURS, "gateway": {"workers": 2}}
    async with gateway(state=state, **configuration) as one, gateway(state=state, **configuration) as other, one.http() as http:
        await other.app.feed.share.enter("m")
        await http.post("/v1/chat/completions", json=ASK)
        await one.app.feed.look()
        await other.app.feed.look()
        assert other.app.feed.share.lane("m").busy


async def test_an_old_notice_of_another_worker_says_nothing(engine: Scripted, gateway: Gateways, tmp_path: Path) -> None:
    state = engine_of_ours(tmp_path / "state", engine)
    async with gateway(state=state, **{**OURS, "gateway": {"workers": 2}}) as running:
        notice = tmp_path / "interactive0"
        notice.touch()
        os.utime(notice, (1, 1))
        await running.app.feed.share.enter("m")
        await running.app.feed.look()
        assert not running.app.feed.share.lane("m").busy


def test_replicas_of_an_engine_count_together() -> None:
    assert figures_of(METRICS) == Figures(running=12, waiting=2, kv=0.5)


@pytest.mark.parametrize("metrics", [b"", b"<html>", b"process_cpu_seconds_total 1\n"])
def test_metrics_of_something_else_say_nothing(metrics: bytes) -> None:
    assert figures_of(metrics) is None
