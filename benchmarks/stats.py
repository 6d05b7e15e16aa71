"""Figures of samples: percentiles, medians with their spread, and ratios taken round by round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest sample with at least `percent` % of all at or below it.

    Raises ValueError without samples, or for a percent outside 0 < percent <= 100.
    """
    if not samples or not 0 < percent <= 100:
        raise ValueError("a percentile needs samples and a percent above 0, at most 100")
    return sorted(samples)[max(math.ceil(len(samples) * percent / 100), 1) - 1]


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float


def spread(samples: Sequence[float]) -> Spread:
    """Raises ValueError without samples."""
    if not samples:
        raise ValueError("no rounds")
    return Spread(statistics.median(samples), min(samples), max(samples))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """ours / theirs for each round. Taken within a round, so that a slow spell of the machine hits both sides.

    Raises ValueError when the two have different numbers of rounds.
    """
    return [a / b for a, b in zip(ours, theirs, strict=True)]
