"""When the requests of an open loop are due: fixed before the first is sent, so that a slow server delays none of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load


def arrivals(load: Load, seed: int) -> Iterator[float]:
    """Seconds since the level began, rising, without end where `load.requests` is None.

    Gaps are gamma distributed with shape `burstiness` and mean 1 / rate: 1.0 is a Poisson process, below it bursts, inf a fixed beat.
    With a number of requests the last one is due at requests / rate, as vLLM's bench scales them: then the rate of a short
    level is the rate asked for, and a Poisson process stays one (given when its last arrival is).
    """
    rate = load.rate or 0.0
    if math.isinf(rate):
        return itertools.repeat(0.0) if load.requests is None else itertools.repeat(0.0, load.requests)
    if load.requests is None:
        return itertools.accumulate(gaps(rate, load.burstiness, seed))
    times = list(itertools.accumulate(itertools.islice(gaps(rate, load.burstiness, seed), load.requests)))
    scale = load.requests / rate / times[-1] if times[-1] else 0.0
    return iter([time * scale for time in times])


def gaps(rate: float, burstiness: float, seed: int) -> Iterator[float]:
    if math.isinf(burstiness):
        return itertools.repeat(1 / rate)
    draw = random.Random(seed).gammavariate
    return (draw(burstiness, 1 / (rate * burstiness)) for _ in itertools.count())


def checked(load: Load) -> Load:
    """`load`, where it can be run. Raises BenchUsageError."""
    if load.requests is None and load.seconds is None:
        raise BenchUsageError("A level needs an end: give a number of requests or of seconds.")
    if load.requests is not None and load.requests < 1:
        raise BenchUsageError(f"{load.requests} requests are none: give 1 or more.")
    if load.seconds is not None and not 0 < load.seconds < math.inf:
        raise BenchUsageError(f"A level cannot last {load.seconds:g} s: give a number above 0.")
    if load.concurrency is not None and load.concurrency < 1:
        raise BenchUsageError(f"A concurrency of {load.concurrency} sends nothing: give 1 or more.")
    if load.mode == "closed" and load.concurrency is None:
        raise BenchUsageError("A closed loop needs a concurrency: how many requests are open at a time.")
    if load.mode == "open":
        if load.rate is None or not load.rate > 0:
            raise BenchUsageError("An open loop needs a rate above 0 requests/s (inf: all at once).")
        if math.isinf(load.rate) and load.requests is None:
            raise BenchUsageError("A rate of inf sends all requests at once: give their number, not a time.")
        if not load.burstiness > 0:
            raise BenchUsageError(f"A burstiness of {load.burstiness:g} is impossible: 1 is a Poisson process, below it bursts.")
    return load
