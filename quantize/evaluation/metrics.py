"""The figures of quality, from what two engines said about the same positions. Natural logarithms throughout.

Lists are by position, in the order of the texts. The tests hold each to a value worked out by hand and to a plain, slow
computation over whole distributions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import accumulate

from quantize.evaluation.positions import COMPARED, Positions

RESAMPLES = 1000
LEAST = 1e-6  # probability; what is left beside 20 float32 probabilities is not known more finely


def perplexity(positions: Positions) -> float:
    """exp of the mean negative logprob of the tokens that stand there, per token; at most e^700. Comparable over the same tokens."""
    return math.exp(min(-math.fsum(positions.actual) / len(positions), 700.0))


def differences(positions: Positions, baseline: Positions) -> list[float]:
    """|logprob - the baseline's logprob| of the token that stands at each position, in nats."""
    return [abs(mine - theirs) for mine, theirs in zip(positions.actual, baseline.actual, strict=True)]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def interval(values: Sequence[float], texts: Sequence[int], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean of `values`, drawing whole texts with replacement: positions of one
    text are not independent (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13)."""
    ends = list(accumulate(texts))
    sums = [math.fsum(values[end - length : end]) for end, length in zip(ends, texts, strict=True)]
    draw, means = random.Random(seed), []
    for _ in range(RESAMPLES):
        drawn = draw.choices(range(len(texts)), k=len(texts))
        means.append(sum(sums[text] for text in drawn) / sum(texts[text] for text in drawn))
    means.sort()
    return quantile(means, 0.025), quantile(means, 0.975)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie, interpolated linearly (Hyndman and Fan's type 7)."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def kl_divergence(positions: Positions, baseline: Positions) -> list[float]:
    """KL(baseline || model) at each position, over the baseline's 20 most likely tokens and one bucket for all other tokens.

    p are the baseline's probabilities, q the model's: the sum of p ln(p / q) over those of the 20 that the model listed as
    well (of the 50 asked for), plus r ln(r / s), where r and s are what is left of 1 on either side. A token that
    the model did not list counts with the rest on both sides. Merging outcomes never raises a divergence (the data-processing
    inequality; Cover and Thomas, Elements of Information Theory, 2nd ed., section 2.8), so this is a lower bound of the
    divergence over the whole vocabulary. r and s below 1e-6 count as 1e-6.
    """
    found = []
    for position in range(len(baseline)):
        mine = dict(positions.listed(position))
        total, p_rest, q_rest = 0.0, 1.0, 1.0
        for token, logprob in baseline.listed(position)[:COMPARED]:
            if token in mine:
                p = math.exp(logprob)
                total += p * (logprob - mine[token])
                p_rest -= p
                q_rest -= math.exp(mine[token])
        p_rest, q_rest = max(p_rest, LEAST), max(q_rest, LEAST)
        found.append(max(0.0, total + p_rest * math.log(p_rest / q_rest)))
    return found


def agreement(positions: Positions, baseline: Positions) -> float:
    """The share of positions at which the baseline's most likely token is the model's as well. Equal probabilities agree."""
    agreed = 0
    for position in range(len(baseline)):
        mine = positions.listed(position)
        first = baseline.listed(position)[0][0]
        agreed += dict(mine).get(first, -math.inf) >= mine[0][1]
    return agreed / len(baseline)
