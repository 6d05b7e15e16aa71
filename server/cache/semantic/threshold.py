"""When to serve an entry to a similar question: a logistic curve for each entry, and exploring below an error rate.

After vCache (Schroeder et al., ICLR 2026, https://arxiv.org/abs/2502.03771; the paper alone): the probability that an
entry's answer is right for a question at similarity s is a logistic function of s, fitted to the pairs
(similarity, right) observed for that entry. A look-up explores (generates afresh, which is always right, and is one
more observation) with the least probability tau that keeps the expected error at or below delta:

    (1 - tau) * P(wrong | s) <= delta    =>    tau = max(0, 1 - delta / P(wrong | s))

Three things differ from the paper. Its error rate is a share of all requests, so that it may serve a candidate that is
wrong half of the time if it only does so seldom; our limit is a share of the hits, so what is wrong more often than
the limit is never served, and delta is half of the limit, since the bound that is measured lies above the mean. The
paper fits every entry from nothing, which takes hundreds of observations of each to serve it at 1%; here an entry
starts from its partition's curve, which starts from the calibrated threshold: Gaussian priors, one around the other,
with Laplace's approximation for what the observations add (MacKay, Information Theory, Inference, and Learning
Algorithms, chapter 27). And the paper bounds P(wrong | s) by a confidence band; here it is the mean over the curve's
posterior, so that what is uncertain counts as wrong in proportion. Whether the limit is kept in truth is not left to
this model: server/cache/semantic/bound.py measures it.

Similarities are counted in bins of 0.01, so that the counts of many observations stay few numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

BIN = 0.01
UNIT = 0.05  # of similarity; the slope is in logits for each of these
SLOPE = 2.0  # before anything was observed
SLOPE_VARIANCE = 0.5
PARTITION_VARIANCE = 1.0  # squared logits: how far the calibration's curve may be from a partition's
ENTRY_VARIANCE = 2.25  # how far a partition's curve may be from an entry's
ENTRY_SLOPE_VARIANCE = 0.25
UNCALIBRATED = (0.9, 0.0)  # similarity, logit: without a calibrated threshold nothing is served before it was observed to be right
UNCALIBRATED_VARIANCE = 4.0
AIM = 0.5  # of the limit, for a hit that is expected to be wrong most often
_NODES = [-4 + 0.25 * i for i in range(33)]
_TOTAL = sum(math.exp(-z * z / 2) for z in _NODES)


class Curve(NamedTuple):
    """logit P(right | s) = height + slope * (s - at) / UNIT, with the covariance of (height, slope)."""

    at: float
    height: float
    slope: float
    height_variance: float
    covariance: float
    slope_variance: float

    def wrong(self, similarity: float) -> float:
        """P(wrong | similarity): the mean over the posterior."""
        x = (similarity - self.at) / UNIT
        mean = self.height + self.slope * x
        variance = self.height_variance + 2 * x * self.covariance + x * x * self.slope_variance
        return _mean_wrong(mean, max(variance, 0.0))


def explore(wrong: float, limit: float) -> float:
    """The probability of generating afresh where a kept answer is wrong with the probability `wrong`; `limit` is a share of hits."""
    if wrong > limit:
        return 1.0
    delta = limit * AIM
    return 0.0 if wrong <= delta else 1.0 - delta / wrong


@lru_cache(maxsize=64)
def calibrated(threshold: float | None, limit: float) -> Curve:
    """A partition's curve before anything was observed in it: from `threshold` on, a new entry is served without exploring."""
    at, height = UNCALIBRATED
    variance = UNCALIBRATED_VARIANCE
    if threshold is not None:
        variance = PARTITION_VARIANCE
        at, low, high = threshold, 0.0, 50.0
        for _ in range(60):
            height = (low + high) / 2
            low, high = (height, high) if _mean_wrong(height, variance + ENTRY_VARIANCE) > limit * AIM else (low, height)
        height = high
    return Curve(at, height, SLOPE, variance, 0.0, SLOPE_VARIANCE)


def entry_prior(partition: Curve) -> Curve:
    """The curve of an entry of which nothing is known but its partition."""
    return partition._replace(
        height_variance=partition.height_variance + ENTRY_VARIANCE, slope_variance=partition.slope_variance + ENTRY_SLOPE_VARIANCE
    )


def bin_of(similarity: float) -> int:
    """The bin of a similarity, rounded down: what is learnt is never taken for a higher similarity's."""
    return max(-100, min(100, math.floor(similarity / BIN + 1e-6)))


def fit(prior: Curve, observed: Mapping[int, tuple[int, int]]) -> Curve:
    """The curve after `observed`: bin -> (right, wrong). The mode of the posterior by Newton's method, its curvature there."""
    points = [((index * BIN - prior.at) / UNIT, right, wrong) for index, (right, wrong) in observed.items() if right or wrong]
    if not points:
        return prior
    determinant = prior.height_variance * prior.slope_variance - prior.covariance**2
    p00, p01, p11 = (part / determinant for part in (prior.slope_variance, -prior.covariance, prior.height_variance))
    a, b = prior.height, prior.slope
    value = _loss(points, 0.0, 0.0, p00, p01, p11, a, b)
    for _ in range(50):
        da, db = a - prior.height, b - prior.slope
        g0, g1 = p00 * da + p01 * db, p01 * da + p11 * db
        h00, h01, h11 = p00, p01, p11
        for x, right, wrong in points:
            p = _sigmoid(a + b * x)
            g, w = (right + wrong) * p - right, (right + wrong) * p * (1 - p)
            g0, g1 = g0 + g, g1 + g * x
            h00, h01, h11 = h00 + w, h01 + w * x, h11 + w * x * x
        scale = h00 * h11 - h01 * h01
        step0, step1 = (h11 * g0 - h01 * g1) / scale, (h00 * g1 - h01 * g0) / scale
        length = 1.0
        while length > 1e-4:  # the loss is convex; a full step may still jump over its valley
            moved = _loss(points, da - length * step0, db - length * step1, p00, p01, p11, a - length * step0, b - length * step1)
            if moved <= value + 1e-12:
                break
            length /= 2
        a, b, value = a - length * step0, b - length * step1, moved
        if abs(step0) + abs(step1) < 1e-6:
            break
    return Curve(prior.at, a, b, h11 / scale, -h01 / scale, h00 / scale)


def _loss(points: list[tuple[float, int, int]], da: float, db: float, p00: float, p01: float, p11: float, a: float, b: float) -> float:
    """The negative logarithm of the posterior, but for a constant."""
    loss = (p00 * da * da + 2 * p01 * da * db + p11 * db * db) / 2
    for x, right, wrong in points:
        logit = a + b * x
        loss += right * _softplus(-logit) + wrong * _softplus(logit)
    return loss


def _mean_wrong(mean: float, variance: float) -> float:
    """The mean of 1 - sigmoid over a Gaussian."""
    deviation = math.sqrt(variance)
    return sum(math.exp(-z * z / 2) * _sigmoid(-(mean + deviation * z)) for z in _NODES) / _TOTAL


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
