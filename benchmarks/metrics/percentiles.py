"""Distributions of latencies, as each tool takes them. No numpy: the gateway's environment has none.

vLLM (np.percentile) and AIPerf (np.percentile of each record metric) interpolate linearly between order statistics: type 7 of
Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996). GuideLLM takes the smallest value whose cumulative weight
reaches the percentage, with no interpolation: their type 1, weighted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

PERCENTS = (50, 90, 95, 99)


def interpolated(ordered: Sequence[float], percent: float) -> float:
    """The percentile of samples that are sorted already. Raises ValueError without samples or outside 0 to 100."""
    if not ordered or not 0 <= percent <= 100:
        raise ValueError("a percentile needs samples and a percent from 0 to 100")
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def distribution(seconds: Sequence[float]) -> dict[str, Any] | None:
    """n, mean, std (of the population), min, percentiles and max in milliseconds; None without samples."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    n = len(ordered)
    mean = math.fsum(ordered) / n
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / n)
    points = [interpolated(ordered, percent) for percent in PERCENTS]
    return _shown(n, mean, std, ordered[0], points, ordered[-1])


def weighted(seconds: Sequence[float], weights: Sequence[float]) -> dict[str, Any] | None:
    """GuideLLM's distribution. `n` counts the requests, `weight` their weights together (GuideLLM's `count`).

    Samples of weight 0 are left out; None when nothing is left. Source: guidellm 0.8.1, guidellm/schemas/base/statistics.py,
    DistributionSummary.from_values and Percentiles.from_pdf.
    """
    pairs = sorted((value, weight) for value, weight in zip(seconds, weights, strict=True) if weight > 0)
    if not pairs:
        return None
    total = math.fsum(weight for _, weight in pairs)
    mean = math.fsum(value * weight for value, weight in pairs) / total
    std = math.sqrt(math.fsum((value - mean) ** 2 * weight for value, weight in pairs) / total)
    points, reached, at = [], pairs[0][1], 0
    for percent in PERCENTS:
        wanted = total * percent / 100 * (1 - 1e-12)  # so that rounding does not push a percentile to the next sample
        while reached < wanted and at < len(pairs) - 1:
            at += 1
            reached += pairs[at][1]
        points.append(pairs[at][0])
    return {**_shown(len(pairs), mean, std, pairs[0][0], points, pairs[-1][0]), "weight": round(total)}


def _shown(n: int, mean: float, std: float, low: float, points: Sequence[float], high: float) -> dict[str, Any]:
    figures = (
        {"mean": mean, "std": std, "min": low} | {f"p{percent}": p for percent, p in zip(PERCENTS, points, strict=True)} | {"max": high}
    )
    return {"n": n} | {name: round(value * 1000, 4) for name, value in figures.items()}
