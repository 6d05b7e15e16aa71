"""How many lines may be in flight, by a scripted clock and scripted figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from server.batch.share import CALM, FIRST, Figures, Lane, Scavenger
from server.settings import Batch

QUIET = Figures(running=10, waiting=0, kv=0.1)
SIZE = 2000


class Time:
    """A clock that stands until it is moved; what is due then is called."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, call))

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        due, self.due = [c for at, c in self.due if at <= self.now], [d for d in self.due if d[0] > self.now]
        for call in due:
            call()


def scavenger(time: Time, workers: int = 1, **settings: Any) -> Scavenger:
    return Scavenger(Batch(**{"share": 0.5, **settings}), lambda model: model.partition("/")[0], workers, time, time.later)


class Lines:
    """Lines that wait to be sent, more than any engine takes."""

    def __init__(self, share: Scavenger, model: str = "m", count: int = 600) -> None:
        self.share, self.model = share, model
        self.tasks = [asyncio.create_task(self._one()) for _ in range(count)]
        self.inside = 0

    async def _one(self) -> None:
        await self.share.enter(self.model)
        self.inside += 1

    def end(self, count: int) -> None:
        """So many come back from the engine."""
        for _ in range(count):
            self.inside -= 1
            self.share.leave(self.model)

    def down_to_the_limit(self) -> None:
        self.end(max(0, self.inside - self.share.lane(self.model).limit))


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def clean() -> Any:
    yield
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def filled(share: Scavenger, looks: int = 12, figures: Figures = QUIET) -> Lines:
    """Lines at an engine in which nothing waits, until its share has grown."""
    lines = Lines(share)
    for _ in range(looks):
        await settle()
        share.lane("m").figures(figures)
    await settle()
    return lines


def interactive(lane: Lane, time: Time, seconds: float, requests: int = 1) -> None:
    """Requests one after another, with so long to the first token."""
    for _ in range(requests):
        lane.began(SIZE)
        time.pass_(seconds)
        lane.first(SIZE, seconds)
        lane.ended()


async def test_an_idle_engine_gets_more_lines_until_its_room_is_used(time: Time, clean: None) -> None:
    share = scavenger(time)
    share.lane("m").slots(256)
    lines = await filled(share)
    assert lines.inside == share.lane("m").limit == 240  # 16 places stay for requests that come


async def test_the_share_does_not_grow_where_lines_do_not_fill_it(time: Time) -> None:
    share = scavenger(time)
    await share.enter("m")
    for _ in range(20):
        share.lane("m").figures(QUIET)
    assert share.lane("m").limit == FIRST


async def test_what_waits_in_the_engine_twice_in_a_row_is_taken_back(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=400)
    lines = await filled(share)
    share.lane("m").figures(Figures(256, 144, 0.5))
    assert share.lane("m").limit == 400  # only came a moment ago
    share.lane("m").figures(Figures(256, 144, 0.5))
    assert share.lane("m").limit == int(0.94 * 256)
    lines.down_to_the_limit()
    assert lines.inside == 240


async def test_a_full_kv_cache_takes_lines_back_at_once(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    await filled(share)
    share.lane("m").figures(Figures(100, 0, 0.95))
    assert share.lane("m").limit == 80


async def test_batch_work_keeps_its_share_while_interactive_requests_come(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100, share=0.3)
    await filled(share)
    lane = share.lane("m")
    assert lane.limit == 100
    interactive(lane, time, 0.02)
    assert lane.limit == 30


async def test_it_gets_all_back_a_while_after_the_last_one(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    await filled(share)
    interactive(share.lane("m"), time, 0.02)
    time.pass_(CALM + 1)
    assert share.lane("m").limit == 100


async def test_first_tokens_that_take_longer_than_on_an_idle_engine_lower_the_share(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=200)
    lane = share.lane("m")
    interactive(lane, time, 0.020, 5)
    lines = await filled(share)
    for _ in range(60):
        lines.down_to_the_limit()
        interactive(lane, time, 0.020 * (1 + 0.004 * lines.inside))
        await settle()
    assert 45 <= lane.limit <= 55  # each line adds 0.4%, and together they may add a fifth


async def test_one_slow_first_token_among_many_changes_nothing(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    lane = share.lane("m")
    interactive(lane, time, 0.020, 5)
    await filled(share)
    for _ in range(10):
        interactive(lane, time, 0.021, 9)
        interactive(lane, time, 0.500)
    assert lane.limit == 50


async def test_first_tokens_that_come_in_time_raise_it_again_up_to_the_share(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    lane = share.lane("m")
    interactive(lane, time, 0.020, 5)
    await filled(share)
    interactive(lane, time, 0.200, 40)
    low = lane.limit
    interactive(lane, time, 0.0205, 100)
    assert low < 5
    assert lane.limit == 50


async def test_without_a_time_of_an_idle_engine_the_share_stays(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    await filled(share)
    interactive(share.lane("m"), time, 5.0, 50)
    assert share.lane("m").limit == 50


async def test_the_share_grows_beside_interactive_requests_too(time: Time, clean: None) -> None:
    share = scavenger(time)
    lane = share.lane("m")
    interactive(lane, time, 0.02, 3)
    await filled(share, looks=20)
    assert lane.limit > FIRST


async def test_one_line_may_always_be_in_flight(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=4, share=0.1)
    lane = share.lane("m")
    interactive(lane, time, 0.01, 3)
    lines = await filled(share)
    for _ in range(20):
        interactive(lane, time, 1.0, 8)
        lane.figures(Figures(256, 500, 1.0))
        lane.figures(Figures(256, 500, 1.0))
        assert lane.limit >= 1
    lines.end(lines.inside)
    lane.began(SIZE)
    lane.wake()
    await settle()
    assert lines.inside == 1  # an interactive request waits, and yet


async def beside_one_that_began(time: Time) -> tuple[Lane, Lines]:
    """The lines of a share of 50, five of them over, and an interactive request that waits for its first token."""
    share = scavenger(time, concurrency=100)
    lane = share.lane("m")
    interactive(lane, time, 0.1, 3)
    lines = await filled(share)
    lines.down_to_the_limit()
    lane.began(SIZE)
    lines.end(5)
    return lane, lines


async def test_new_lines_wait_from_an_interactive_request_to_its_first_token(time: Time, clean: None) -> None:
    lane, lines = await beside_one_that_began(time)
    await settle()
    held = lines.inside
    lane.first(SIZE, 0.1)
    await settle()
    assert (held, lines.inside) == (45, 50)


async def test_a_first_token_that_does_not_come_holds_lines_back_for_a_while_only(time: Time, clean: None) -> None:
    _lane, lines = await beside_one_that_began(time)
    time.pass_(0.25)
    await settle()
    assert lines.inside == 50


async def test_each_engine_has_a_share_of_its_own(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=10)
    one, other = Lines(share, "m/persona"), Lines(share, "n")
    await settle()
    interactive(share.lane("m"), time, 0.02)
    assert (one.inside, other.inside) == (10, 10)
    assert (share.lane("m").limit, share.lane("n").limit) == (5, 10)


async def test_a_fixed_number_is_divided_among_the_gateways_workers(time: Time) -> None:
    share = scavenger(time, workers=4, concurrency=100)
    assert share.lane("m").limit == 25


async def test_workers_that_follow_the_engines_figures_keep_it_from_overflowing(time: Time, clean: None) -> None:
    both = [scavenger(time, workers=2) for _ in range(2)]
    lines = [Lines(share) for share in both]
    for _ in range(60):
        await settle()
        inside = sum(some.inside for some in lines)
        for share in both:
            share.lane("m").figures(Figures(min(inside, 256), max(0, inside - 256), 0.3))
        for some in lines:
            some.down_to_the_limit()
    assert 200 <= sum(some.inside for some in lines) <= 270
    assert abs(lines[0].inside - lines[1].inside) <= 10


async def test_an_interactive_request_of_another_worker_counts(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=100)
    await filled(share)
    share.lane("m").noticed(1.0)
    assert share.lane("m").limit == 50


async def test_a_line_that_is_given_up_while_it_waits_takes_no_place(time: Time) -> None:
    share = scavenger(time, concurrency=1)
    await share.enter("m")
    second, third = (asyncio.create_task(share.enter("m")) for _ in range(2))
    await settle()
    second.cancel()
    await settle()
    share.leave("m")
    await asyncio.wait_for(third, 1)
    assert share.lane("m").inside == 1


async def test_a_line_that_is_given_up_in_the_moment_its_turn_comes_gives_it_on(time: Time) -> None:
    share = scavenger(time, concurrency=1)
    await share.enter("m")
    second, third = (asyncio.create_task(share.enter("m")) for _ in range(2))
    await settle()
    share.leave("m")
    second.cancel()
    await asyncio.wait_for(third, 1)
    assert share.lane("m").inside == 1


async def test_lines_go_in_the_order_in_which_they_came(time: Time, clean: None) -> None:
    share = scavenger(time, concurrency=1)
    order: list[int] = []

    async def line(number: int) -> None:
        await share.enter("m")
        order.append(number)
        share.leave("m")

    await asyncio.gather(*(line(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]
