"""Is a difference more than noise?

With ROUNDS rounds or more on both sides: the ratio B / A is the geometric mean of the rounds' ratios, and its 95 % interval is
Student's t on their logarithms. Rounds that were run in turns are compared pair by pair, so that a slow spell of the machine hits
both sides; others with Welch's unequal-variance t (Welch 1947). Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time"
(ISMM 2013), give the reasons for an interval of the ratio over whole runs. An exact permutation test over rounds stands beside it,
with the smallest p that so few rounds can reach: 2 / 2^n in pairs, 0.25 at three, so it cannot decide alone below six rounds.

With fewer rounds only the requests inside one round can be resampled: the bootstrap (Efron 1979) of a percentile, whose resampled
order statistic k of n is the sample at a Beta(k, n - k + 1) place, so no resample need be drawn. It holds the noise within a round
and none between rounds: what stays inside it is noise, what leaves it may be the machine's.

A difference smaller than `least` is never called one. Everything is seeded by the figures themselves: same input, same verdict.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from benchmarks.metrics.percentiles import interpolated

ROUNDS = 3
LEAST = 0.02
WIDE = 0.1  # an interval wider than this to each side is said to be
RESAMPLES = 2000
SIGNS_UP_TO = 12  # rounds up to which all permutations are counted; above, the interval alone decides
ONE_ROUND = "one round each: may be the machine's noise; run with --repeat 3"
HOLDS, APART = "the interval holds 1", "the interval leaves out 1"
FEW_ROUNDS = "fewer than three rounds on a side: may be the machine's noise; run with --repeat 3"


@dataclass(frozen=True)
class Verdict:
    """B against A. `ratio` and `interval` are of B / A; None where they cannot be taken."""

    word: str  # better | worse | within noise | cannot tell
    why: str
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None  # permutation test over rounds
    smallest_p: float | None = None


def over_rounds(a: Sequence[float], b: Sequence[float], *, higher_is_better: bool, paired: bool, least: float = LEAST) -> Verdict:
    """The verdict on one figure a round of A and of B. With fewer than ROUNDS on a side there is no interval."""
    if not a or not b:
        return Verdict("cannot tell", "no figure on one side")
    if min(*a, *b) <= 0:
        return _with_zeros(a, b, higher_is_better)
    ours, theirs = [math.log(value) for value in a], [math.log(value) for value in b]
    paired = paired and len(a) == len(b)
    gaps = [after - before for before, after in zip(ours, theirs, strict=True)] if paired else []
    middle = statistics.fmean(gaps) if paired else statistics.fmean(theirs) - statistics.fmean(ours)
    if min(len(a), len(b)) < ROUNDS:
        return few_rounds(a, b, None, least)
    half = _half_paired(gaps) if paired else _half_welch(ours, theirs)
    p, smallest = _signs(gaps) if paired else _splits(ours, theirs)
    interval = (math.exp(middle - half), math.exp(middle + half))
    word, why = decide(math.exp(middle), interval, higher_is_better, least)
    return Verdict(word, why, math.exp(middle), interval, p, smallest)


def few_rounds(a: Sequence[float], b: Sequence[float], interval: tuple[float, float] | None, least: float = LEAST) -> Verdict:
    """The verdict without enough rounds. `interval`: of the ratio within a round, from within_round(); None: not to be had."""
    ratio = statistics.median(b) / statistics.median(a)
    why = ONE_ROUND if len(a) == len(b) == 1 else FEW_ROUNDS
    if abs(math.log(ratio)) < math.log1p(least):
        return Verdict("within noise", f"differs by less than {least:.0%}", ratio, interval)
    if interval and interval[0] <= 1 <= interval[1]:
        return Verdict("within noise", "inside the noise of one round's requests", ratio, interval)
    return Verdict("cannot tell", why, ratio, interval)


def decide(ratio: float, interval: tuple[float, float], higher_is_better: bool, least: float) -> tuple[str, str]:
    """(word, why) of a ratio with its interval."""
    low, high = interval
    if low <= 1 <= high:
        spread = math.sqrt(high / low) - 1
        seen = f"noisy rounds, {spread:.0%} either way" if spread > WIDE else HOLDS
        return "within noise", seen
    if abs(math.log(ratio)) < math.log1p(least):
        return "within noise", f"differs by less than {least:.0%}"
    return ("better" if (ratio > 1) == higher_is_better else "worse"), APART


def within_round(a: Sequence[float], b: Sequence[float], percent: float, *, seed: int = 0) -> tuple[float, float] | None:
    """The bootstrap's 95 % interval of percentile(B) / percentile(A) over the requests of one round each; None without samples."""
    if not a or not b:
        return None
    rng = random.Random(f"{seed} {percent} {len(a)} {len(b)}")
    ours, theirs = sorted(a), sorted(b)
    ratios = []
    for _ in range(RESAMPLES):
        below, above = _resampled(ours, percent, rng), _resampled(theirs, percent, rng)
        if below > 0:
            ratios.append(above / below)
    return (interpolated(ordered := sorted(ratios), 2.5), interpolated(ordered, 97.5)) if ratios else None


def _resampled(ordered: Sequence[float], percent: float, rng: random.Random) -> float:
    place = 1 + (len(ordered) - 1) * percent / 100
    return interpolated(ordered, 100 * rng.betavariate(place, len(ordered) - place + 1))


def _with_zeros(a: Sequence[float], b: Sequence[float], higher_is_better: bool) -> Verdict:
    """Goodput is 0 where no request met the limits: there is no ratio, but rounds that do not even touch still tell."""
    if max(a) <= 0 and max(b) <= 0:
        return Verdict("within noise", "0 on both sides")
    if min(len(a), len(b)) < ROUNDS:
        return Verdict("cannot tell", f"no ratio with 0; {ONE_ROUND}")
    if max(a) < min(b) or max(b) < min(a):
        return Verdict("better" if (min(b) > max(a)) == higher_is_better else "worse", "0 in some rounds, and all rounds apart")
    return Verdict("cannot tell", "0 in some rounds, and the rounds overlap")


def _half_paired(gaps: Sequence[float]) -> float:
    return student(len(gaps) - 1) * statistics.stdev(gaps) / math.sqrt(len(gaps))


def _half_welch(a: Sequence[float], b: Sequence[float]) -> float:
    parts = [statistics.variance(side) / len(side) for side in (a, b)]
    together = sum(parts)
    if together == 0:
        return 0.0
    freedom = together**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (a, b), strict=True))
    return student(freedom) * math.sqrt(together)


def _signs(gaps: Sequence[float]) -> tuple[float | None, float]:
    """(two-sided p of the sign-flip test on the mean, the smallest p that it can give)."""
    smallest = 2 / 2 ** len(gaps)
    if len(gaps) > SIGNS_UP_TO:
        return None, smallest
    seen = abs(math.fsum(gaps)) * (1 - 1e-12)
    flips = [abs(math.fsum(sign * gap for sign, gap in zip(signs, gaps, strict=True))) for signs in product((1, -1), repeat=len(gaps))]
    return sum(flip >= seen for flip in flips) / len(flips), smallest


def _splits(a: Sequence[float], b: Sequence[float]) -> tuple[float | None, float]:
    """The same for rounds that are no pairs: all ways to deal them to two sides."""
    both, n = [*a, *b], len(a)
    smallest = (2 if len(a) == len(b) else 1) / math.comb(len(both), n)
    if len(both) > SIGNS_UP_TO:
        return None, smallest
    total = math.fsum(both)

    def gap(left: float) -> float:
        return abs(left / n - (total - left) / len(b))

    seen = gap(math.fsum(a)) * (1 - 1e-12) - 1e-15
    gaps = [gap(math.fsum(both[place] for place in places)) for places in combinations(range(len(both)), n)]
    return sum(one >= seen for one in gaps) / len(gaps), smallest


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, by bisection of its distribution function (Abramowitz and Stegun 26.7.1, 26.5.8).

    `freedom` is at least 1 and need not be whole. Raises ValueError below 1.
    """
    if freedom < 1:
        raise ValueError("Student's t needs at least one degree of freedom")
    low, high = 0.0, 13.0  # 12.706 at one degree
    while high - low > 1e-9:
        middle = (low + high) / 2
        tail = _incomplete_beta(freedom / (freedom + middle**2), freedom / 2, 0.5) / 2
        low, high = (middle, high) if tail > 0.025 else (low, middle)
    return high


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction, evaluated as Lentz's method does."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a if x > 0 else 0.0
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d, c = 1 / (1 + term * d), 1 + term / c
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * value
