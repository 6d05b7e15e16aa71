"""Single flight by itself: who gets what, when the reading is handed over, and when the work is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.cache.flight import Ended, Flight, Flights, Whole


class Broke(Exception):
    pass


def pieces(*data: bytes, gate: asyncio.Event | None = None, failure: Exception | None = None) -> Callable[[], Awaitable[bytes]]:
    """A connection's `read`: one piece at a time, then the end or a failure."""
    left = list(data)

    async def read() -> bytes:
        if gate is not None:
            await gate.wait()
        if left:
            return left.pop(0)
        if failure is not None:
            raise failure
        return b""

    return read


async def heard(flight: Flight) -> bytes:
    follower = flight.join()
    got = b""
    try:
        while data := await follower.more():
            got += data
    finally:
        flight.leave(follower)
    return got


async def test_one_who_joins_late_hears_all_of_it() -> None:
    flight = Flight(b"k", True, 1000)
    flight.feed(b"a")
    listening = asyncio.create_task(heard(flight))
    await asyncio.sleep(0)
    flight.feed(b"b")
    await asyncio.sleep(0)
    flight.feed(b"c")
    flight.finish()
    assert await listening == b"abc"


async def test_what_came_before_a_failure_is_heard_before_it() -> None:
    flight = Flight(b"k", True, 1000)
    flight.feed(b"a")
    follower = flight.join()
    flight.fail(Broke())
    assert await follower.more() == b"a"
    with pytest.raises(Broke):
        await follower.more()


async def test_a_flight_that_ends_without_a_word_has_failed() -> None:
    flights = Flights(1000)
    flight = flights.lead(b"k", True)
    follower = flight.join()
    flights.end(flight)
    with pytest.raises(Ended):
        await follower.more()
    assert flights.find(b"k", False) is None
    assert not flights.running


async def test_the_reading_is_handed_over_while_the_leader_is_busy() -> None:
    flight = Flight(b"k", True, 1000)
    flight.feed(b"a")
    flight.read = pieces(b"b", b"c")
    flight.busy = True  # its client takes its time
    assert await heard(flight) == b"abc"
    assert flight.state == "done"


async def test_nothing_is_handed_over_while_the_leader_reads() -> None:
    flight = Flight(b"k", True, 1000)
    flight.read = pieces(b"never")
    flight.join()
    assert flight.reading is None


async def test_a_failure_of_the_reading_is_the_flights() -> None:
    flight = Flight(b"k", True, 1000)
    flight.read = pieces(b"a", failure=Broke())
    flight.busy = True
    with pytest.raises(Broke):
        await heard(flight)


async def test_the_work_is_given_up_when_the_last_has_left() -> None:
    given_up: list[bool] = []
    flight = Flight(b"k", True, 1000)
    one, two = flight.join(), flight.join()
    flight.leader_left(lambda: given_up.append(True))
    one.leave()
    assert not given_up
    two.leave()
    assert given_up == [True]
    assert not flight.open


async def test_a_leader_that_nobody_follows_gives_up_at_once() -> None:
    given_up: list[bool] = []
    flight = Flight(b"k", True, 1000)
    flight.leader_left(lambda: given_up.append(True))
    assert given_up == [True]


async def test_after_its_end_nothing_is_given_up() -> None:
    given_up: list[bool] = []
    flight = Flight(b"k", True, 1000)
    flight.finish(Whole(200, b"{}"))
    flight.leader_left(lambda: given_up.append(True))
    assert not given_up


async def test_one_who_leaves_stops_waiting() -> None:
    flight = Flight(b"k", True, 1000)
    follower = flight.join()
    waiting = asyncio.create_task(follower.more())
    await asyncio.sleep(0)
    follower.leave()
    assert await waiting == b""
    assert follower.gone
    assert flight.following == 0


async def test_a_stream_too_long_takes_no_more_followers_and_is_not_kept() -> None:
    flights = Flights(10)
    flight = flights.lead(b"k", True)
    flight.feed(b"x" * 11)
    flight.feed(b"y")
    assert flights.find(b"k", False) is None
    assert not flight.kept
    assert len(flight.chunks) <= 1  # nobody will come for the rest


async def test_those_who_follow_a_stream_that_grows_too_long_hear_it_to_its_end() -> None:
    flight = Flight(b"k", True, 10)
    listening = asyncio.create_task(heard(flight))
    await asyncio.sleep(0)
    for _ in range(5):
        flight.feed(b"x" * 9)
        await asyncio.sleep(0)
    flight.finish()
    assert await listening == b"x" * 45


def test_only_a_flight_that_tells_the_tokens_is_found_by_those_who_want_them() -> None:
    flights = Flights(1000)
    flight = flights.lead(b"k", usage=False)
    assert flights.find(b"k", usage=True) is None
    assert flights.find(b"k", usage=False) is flight
    better = flights.lead(b"k", usage=True)
    assert flights.find(b"k", usage=False) is better
    flights.end(flight)  # the one that was replaced does not take the other with it
    assert flights.find(b"k", usage=True) is better


def test_one_that_flies_alone_is_not_found() -> None:
    flights = Flights(1000)
    first = flights.lead(b"k", usage=True)
    flights.lead(b"k", usage=True, alone=True)
    assert flights.find(b"k", usage=True) is first


def test_an_end_is_an_end() -> None:
    flight = Flight(b"k", True, 1000)
    flight.finish(Whole(200, b"{}"))
    flight.fail(Broke())
    assert (flight.state, flight.failure) == ("done", None)
