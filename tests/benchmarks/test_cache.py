"""The cache's benchmark: requests that differ, figures that are judged, and a report that names a wrong answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks import cache
from benchmarks.load import BODY_BYTES, Target, chat_request, check_answer, load
from benchmarks.mock import Mock, listen


@pytest.mark.parametrize("events", [0, 66])
def test_varied_requests_differ_and_are_as_long(events: int):
    request = chat_request(Target(80), events)
    make = cache.varied(request)
    made = {make(0) for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {len(request)}
    assert all(len(one.partition(b"\r\n\r\n")[2]) == BODY_BYTES for one in made)


async def test_the_load_sends_each_of_them_once():
    mock = Mock()
    server = await listen(mock)
    target = Target(server.sockets[0].getsockname()[1])
    sent: list[int] = []

    def vary(number: int) -> bytes:
        sent.append(number)
        return chat_request(target)

    result = await load(target, b"never", check_answer, concurrency=3, limit=9, vary=vary)
    server.close()
    await asyncio.sleep(0)
    assert (result.requests, dict(result.errors)) == (9, {})
    assert sent == list(range(1, 10))


def measured(scenario: str, subject: str, number: int, **figures: float) -> dict[str, Any]:
    return {"scenario": scenario, "subject": subject, "round": number, "cpu_us": 1.0, "elsewhere": 0.0, **figures}


@pytest.mark.parametrize(("rate", "met"), [(11_999.0, False), (12_000.0, True)])
def test_hits_are_held_against_their_goal(rate: float, met: bool):
    rounds = [measured("hits", cache.CACHED, n, per_second=rate, p50_ms=1) for n in range(3)]
    (row,) = cache.summary(rounds)
    assert (row["scenario"], row["median"], row["met"]) == ("hits", rate, met)


def test_a_miss_is_a_ratio_taken_round_by_round():
    slow, fast = 500.0, 1000.0
    rounds = []
    for number, speed in enumerate((slow, fast, fast)):  # a slow spell of the machine hits both sides
        rounds += [
            measured("misses", cache.CACHED, number, per_second=speed * 0.95),
            measured("misses", cache.OFF, number, per_second=speed),
        ]
    (row,) = cache.summary(rounds)
    assert (row["metric"], row["median"], row["low"], row["met"]) == ("ratio", 0.95, 0.95, True)
