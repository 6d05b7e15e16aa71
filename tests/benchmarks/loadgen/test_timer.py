import asyncio
import time

import pytest

from benchmarks.loadgen.timer import Timer


@pytest.fixture(params=["timerfd", "the loop's own"])
async def timer(request):
    fired = asyncio.Event()
    made = Timer(asyncio.get_running_loop(), fired.set)
    if request.param == "the loop's own":
        made.close()
    yield made, fired
    made.close()


async def test_it_fires_at_its_time_and_not_before(timer):
    made, fired = timer
    due = time.perf_counter() + 0.02
    made.at(due)
    await asyncio.wait_for(fired.wait(), 5)
    assert time.perf_counter() >= due - 0.001  # a loop's own timer may round


async def test_a_time_that_is_past_fires_at_once(timer):
    made, fired = timer
    made.at(0.0)
    await asyncio.wait_for(fired.wait(), 5)


async def test_a_later_time_replaces_the_first(timer):
    made, fired = timer
    made.at(time.perf_counter() + 600)
    made.at(time.perf_counter() + 0.001)
    await asyncio.wait_for(fired.wait(), 5)


async def test_a_closed_timer_fires_no_more(timer):
    made, fired = timer
    made.at(time.perf_counter() + 0.01)
    made.close()
    await asyncio.sleep(0.03)
    assert not fired.is_set()
