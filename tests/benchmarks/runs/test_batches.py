import asyncio
import math

import pytest

from benchmarks.runs.batches import Policy, follow, next_batch, output_lengths, poisson, running

ARRIVALS = [0.0, 1.0, 2.0, 3.0, 10.0]
STATIC, DYNAMIC = Policy("static", 2), Policy("dynamic", 2, max_wait=0.5)


def test_a_static_batch_starts_when_it_is_full():
    assert next_batch(STATIC, ARRIVALS, 0, free=0.0) == (1.0, 2)


def test_a_static_batch_waits_for_all_of_the_one_before_it():
    assert next_batch(STATIC, ARRIVALS, 2, free=7.5) == (7.5, 2)


def test_the_last_static_batch_starts_with_the_last_arrival_though_it_is_not_full():
    assert next_batch(STATIC, ARRIVALS, 4, free=0.0) == (10.0, 1)


def test_a_dynamic_batch_starts_when_its_oldest_request_has_waited():
    assert next_batch(DYNAMIC, ARRIVALS, 0, free=0.0) == (0.5, 1)


def test_a_dynamic_batch_starts_at_once_when_it_is_full():
    assert next_batch(Policy("dynamic", 2, max_wait=60.0), ARRIVALS, 0, free=0.0) == (1.0, 2)


def test_a_dynamic_batch_takes_what_came_while_the_one_before_it_ran():
    assert next_batch(Policy("dynamic", 8, max_wait=0.5), ARRIVALS, 0, free=2.5) == (2.5, 3)


def test_a_continuous_request_starts_when_it_comes_whatever_runs():
    assert next_batch(Policy("continuous", 2), ARRIVALS, 2, free=99.0) == (2.0, 1)


@pytest.mark.parametrize("mode", ["static", "dynamic", "continuous"])
def test_every_request_is_sent_once_and_never_before_it_comes(mode):
    arrivals = [place * 0.002 for place in range(11)]

    async def sent() -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []

        async def send(indices, start):
            found.extend((index, start) for index in indices)
            await asyncio.sleep(0.001)

        await follow(Policy(mode, 4, max_wait=0.003), arrivals, send)
        return found

    found = asyncio.run(sent())
    assert sorted(index for index, _ in found) == list(range(11))
    assert all(start >= arrivals[index] - 1e-3 for index, start in found)


def test_one_static_batch_runs_at_a_time():
    async def most() -> int:
        open_now = peak = 0

        async def send(indices, start):
            nonlocal open_now, peak
            open_now += len(indices)
            peak = max(peak, open_now)
            await asyncio.sleep(0.001)
            open_now -= len(indices)

        await follow(Policy("static", 3), [0.0] * 10, send)
        return peak

    assert asyncio.run(most()) == 3


def test_arrivals_are_the_same_for_the_same_seed_and_have_the_rate():
    times = poisson(10.0, 2000, seed=1)
    assert times == poisson(10.0, 2000, seed=1) != poisson(10.0, 2000, seed=2)
    assert times == sorted(times)
    assert times[-1] / 1999 == pytest.approx(0.1, rel=0.1)


def test_an_infinite_rate_is_all_at_once():
    assert poisson(math.inf, 3, seed=1) == [0.0, 0.0, 0.0]


def test_answer_lengths_are_log_uniform_within_their_bounds():
    lengths = output_lengths(16, 256, 4000, seed=1)
    assert min(lengths) >= 16
    assert max(lengths) <= 256
    assert sorted(lengths)[2000] == pytest.approx(64, rel=0.1)  # the geometric mean of the bounds


def test_running_counts_what_overlaps():
    counts = dict(running([(0.0, 1.0), (0.5, 2.0)], end=2.0, steps=4))
    assert counts == {0.0: 1, 0.5: 2, 1.0: 1, 1.5: 1, 2.0: 0}
