import asyncio
import gc
import time

import pytest

from benchmarks.loadgen.delay import EVERY, Watch, lateness


@pytest.mark.parametrize(("late", "samples"), [(0.0, 1), (0.9 * EVERY, 1), (1.5 * EVERY, 2), (10.2 * EVERY, 11)])
def test_a_look_that_was_held_up_stands_for_all_that_were_due_meanwhile(late, samples):
    found = lateness(7.0 + late, 7.0)
    assert len(found) == samples
    assert found[0] == pytest.approx(late)
    assert found[-1] == pytest.approx(late - EVERY * (samples - 1))


async def test_a_loop_that_is_held_up_shows_it():
    watch = Watch(asyncio.get_running_loop())
    watch.start()
    time.sleep(0.1)  # noqa: ASYNC251 - holds the loop up on purpose
    await asyncio.sleep(0.02)
    delay = watch.stop([])
    assert delay.loop_max >= 90
    assert delay.loop_p50 > EVERY * 1e3
    assert (delay.send_p50, delay.send_max) == (0.0, 0.0)


async def test_sends_are_told_in_milliseconds():
    watch = Watch(asyncio.get_running_loop())
    watch.start()
    delay = watch.stop([0.001, 0.002, 0.003])
    assert (delay.send_p50, delay.send_p99, delay.send_max) == (2.0, 3.0, 3.0)


async def test_garbage_is_collected_again_after_a_level():
    watch = Watch(asyncio.get_running_loop())
    assert gc.isenabled()
    watch.start()
    assert not gc.isenabled()
    watch.close()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
