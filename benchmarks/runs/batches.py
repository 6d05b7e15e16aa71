"""When a request is started by static, dynamic and continuous batching, over the same arrivals.

static:     a batch starts when `size` requests wait and the one before it has ended, all of it.
dynamic:    the same, but it also starts when its oldest request has waited `max_wait` (NVIDIA Triton's dynamic batcher).
continuous: every request goes to the engine as it comes; the engine lets it join the running batch at its next step (Orca, OSDI 2022).
"""

from __future__ import annotations

import asyncio
import bisect
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
Mode = Literal["static", "dynamic", "continuous"]
MODES: tuple[Mode, ...] = ("static", "dynamic", "continuous")


@dataclass(frozen=True)
class Policy:
    mode: Mode
    size: int  # requests of a batch, at most
    max_wait: float = 0.0  # seconds; dynamic only


def next_batch(policy: Policy, arrivals: Sequence[float], taken: int, free: float) -> tuple[float, int]:
    """(when the next batch starts, its requests). `arrivals`: sorted, seconds; `taken` of them are started; `free`: when the last
    batch ended. A static batcher would wait for ever for a batch that no longer fills up: here the last arrival starts it."""
    first = arrivals[taken]
    if policy.mode == "continuous":
        return first, 1
    full = arrivals[min(taken + policy.size, len(arrivals)) - 1]
    if policy.mode == "static":
        start = max(free, full)
    else:
        full = full if taken + policy.size <= len(arrivals) else math.inf
        start = max(free, min(full, first + policy.max_wait))
    return start, min(bisect.bisect_right(arrivals, start) - taken, policy.size)


async def follow(
    policy: Policy,
    arrivals: Sequence[float],
    send: Callable[[Sequence[int], float], Awaitable[T]],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> list[T]:
    """Start every request as `policy` says. `send(indices, start)` runs some to their end, `start` in seconds since the call."""
    began, taken, free = clock(), 0, 0.0
    if policy.mode == "continuous":

        async def alone(index: int) -> T:
            await asyncio.sleep(max(0.0, arrivals[index] - (clock() - began)))
            return await send([index], clock() - began)

        return list(await asyncio.gather(*(alone(index) for index in range(len(arrivals)))))
    results = []
    while taken < len(arrivals):
        start, count = next_batch(policy, arrivals, taken, free)
        await asyncio.sleep(max(0.0, start - (clock() - began)))
        results.append(await send(range(taken, taken + count), clock() - began))
        taken, free = taken + count, clock() - began
    return results


def poisson(rate: float, count: int, seed: int) -> list[float]:
    """Arrival times of a Poisson process with `rate` a second, the first at 0; all 0 for an infinite rate."""
    if math.isinf(rate):
        return [0.0] * count
    drawn, now, times = random.Random(seed), 0.0, []
    for _ in range(count):
        times.append(now)
        now += drawn.expovariate(rate)
    return times


def output_lengths(low: int, high: int, count: int, seed: int) -> list[int]:
    """Answer lengths in tokens between `low` and `high`, log-uniform: many short answers and a few long ones, as chats have them."""
    drawn = random.Random(seed)
    return [round(math.exp(drawn.uniform(math.log(low), math.log(high)))) for _ in range(count)]


def running(spans: Sequence[tuple[float, float]], end: float, steps: int = 200) -> list[tuple[float, int]]:
    """How many of `spans` (begin, end) cover each of `steps` moments from 0 to `end`."""
    begins, ends = sorted(begin for begin, _ in spans), sorted(finish for _, finish in spans)
    moments = [end * step / steps for step in range(steps + 1)]
    return [(moment, bisect.bisect_right(begins, moment) - bisect.bisect_right(ends, moment)) for moment in moments]
