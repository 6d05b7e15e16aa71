"""Which way of speculating is the fastest, if any: from output tokens/s by batch size, without and with it.

A variant is faster at a batch size when its slowest round there beats the fastest round without speculation, taken before and
after it: what is not more than the noise is not called faster.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Rounds = Mapping[int, Sequence[float]]  # batch size -> output tokens/s of each round


@dataclass(frozen=True)
class SpeedUp:
    """Output tokens/s of a variant over none's at one batch size: medians, and slowest over fastest round and the other way."""

    median: float
    low: float
    high: float

    @property
    def faster(self) -> bool:
        return self.low > 1

    @property
    def slower(self) -> bool:
        return self.high < 1


def speed_up(with_it: Sequence[float], without: Sequence[float]) -> SpeedUp | None:
    """None where one of the two has no round that brought tokens."""
    with_it, without = [v for v in with_it if v > 0], [v for v in without if v > 0]
    if not with_it or not without:
        return None
    median = statistics.median(with_it) / statistics.median(without)
    return SpeedUp(median, min(with_it) / max(without), max(with_it) / min(without))


@dataclass(frozen=True)
class Verdict:
    """`best`: the variant's name, None: leave it off. `overall`: its geometric mean speed-up over the batch sizes."""

    best: str | None
    overall: float | None
    why: str


def verdict(variants: Mapping[str, Rounds], none: Rounds) -> Verdict:
    """The variant with the highest geometric mean of speed-ups over all batch sizes, if that is above 1 and it is faster somewhere."""
    figures = {name: {size: speed_up(rounds.get(size, ()), without) for size, without in none.items()} for name, rounds in variants.items()}
    whole = {name: {size: s for size, s in by_size.items() if s} for name, by_size in figures.items()}
    whole = {name: by_size for name, by_size in whole.items() if by_size and len(by_size) == len(none)}
    if not whole:
        return Verdict(None, None, "nothing was measured with speculation: leave it off")
    overall = {name: math.exp(statistics.fmean(math.log(s.median) for s in by_size.values())) for name, by_size in whole.items()}
    surely = [name for name in whole if overall[name] > 1 and any(s.faster for s in whole[name].values())]
    if not surely:
        nearest = max(overall, key=lambda name: overall[name])
        return Verdict(
            None,
            None,
            f"no speculation is faster here: leave it off (the nearest, {nearest}: {overall[nearest]:.2f} times over all batch sizes)",
        )
    best = max(surely, key=lambda name: overall[name])
    by_size = whole[best]
    words = [f"{best} is the fastest: {overall[best]:.2f} times the output tokens/s over batch sizes {_list(by_size)}"]
    noise = [size for size, s in by_size.items() if not s.faster and not s.slower]
    if noise:
        words.append(f"at {_list(noise)} the difference is within the noise")
    if slower := [size for size, s in by_size.items() if s.slower]:
        words.append(f"at {_list(slower)} it is slower than none")
    return Verdict(best, overall[best], "; ".join(words))


def _list(sizes: Sequence[int] | Mapping[int, object]) -> str:
    return ", ".join(map(str, sizes))
