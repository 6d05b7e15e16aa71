from __future__ import annotations

import asyncio

import pytest

from server.errors import ConfigError
from server.gateway.upstream.address import parse_address
from server.gateway.upstream.balance import Balancer, Upstream
from server.settings import Timeouts, Upstreams


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Trio:
    """Three upstreams, ejected after 2 failures for 10 s."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.all = [Upstream(parse_address(f"http://h{i}:80"), Timeouts()) for i in range(3)]
        self.balancer = Balancer(self.all, Upstreams(eject_after=2, eject_for=10), self.clock)

    def picks(self, count: int) -> set[int]:
        return {self.all.index(self.balancer.pick()) for _ in range(count)}  # type: ignore[arg-type]

    def fail(self, *which: int) -> None:
        for i in which:
            self.balancer.failed(self.all[i])
            self.balancer.failed(self.all[i])


@pytest.fixture
async def trio() -> Trio:
    await asyncio.sleep(0)  # pools belong to the running loop
    return Trio()


async def test_ties_take_turns(trio: Trio) -> None:
    assert trio.picks(3) == {0, 1, 2}


async def test_the_least_outstanding_wins(trio: Trio) -> None:
    trio.all[0].outstanding, trio.all[2].outstanding = 2, 1
    assert trio.picks(5) == {1}


async def test_tried_ones_are_passed_over(trio: Trio) -> None:
    assert trio.balancer.pick(trio.all[:2]) is trio.all[2]
    assert trio.balancer.pick(trio.all) is None


async def test_failures_in_a_row_eject(trio: Trio) -> None:
    trio.balancer.failed(trio.all[0])
    trio.balancer.succeeded(trio.all[0])
    trio.balancer.failed(trio.all[0])
    assert trio.picks(3) == {0, 1, 2}
    trio.balancer.failed(trio.all[0])
    assert trio.picks(6) == {1, 2}


async def test_after_its_time_one_request_tries_an_ejected_one(trio: Trio) -> None:
    trio.fail(0)
    trio.clock.now += 11
    picked = [trio.balancer.pick() for _ in range(6)]
    assert picked.count(trio.all[0]) == 1
    trio.balancer.failed(trio.all[0])
    assert trio.picks(6) == {1, 2}
    trio.clock.now += 11
    trio.picks(6)
    trio.balancer.succeeded(trio.all[0])
    assert trio.picks(3) == {0, 1, 2}


async def test_with_all_ejected_the_one_that_failed_longest_ago_is_tried(trio: Trio) -> None:
    for i in (1, 0, 2):
        trio.clock.now += 1
        trio.fail(i)
    assert trio.picks(3) == {1}


@pytest.mark.parametrize(
    ("url", "host", "port", "base"),
    [
        ("http://a:8000", "a:8000", 8000, ""),
        ("http://a/v1/", "a", 80, ""),
        ("http://[::1]:9/x/v1", "[::1]:9", 9, "/x"),
        ("https://a/x", "a", 443, "/x"),
    ],
)
def test_addresses(url: str, host: str, port: int, base: str) -> None:
    address = parse_address(url)
    assert (address.host, address.port, address.base, address.path) == (host, port, base, "")


def test_a_unix_address() -> None:
    assert parse_address("unix:/run/e.sock").path == "/run/e.sock"
    assert parse_address("unix:///run/e.sock").path == "/run/e.sock"


@pytest.mark.parametrize(
    "url", ["a:8000", "ftp://a", "http://", "unix:e.sock", "http://k:s@a", "http://a:x", "http://a/?k=1", "http://ä:1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(url)
