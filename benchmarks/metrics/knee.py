"""The saturation knee of a sweep: the load up to which more load buys throughput, and beyond which it buys waiting.

Closed loop: the lowest concurrency after which output tokens/s grow less than GAIN a doubling of concurrency, up to every higher
level that was measured. A step counts as growth only from NOISE on, so that two levels close together do not make a slope of noise.
By Little's law (1961) concurrency = throughput x latency, so what a doubling does not add to throughput it adds to latency. Beside
it stands the level of most power, throughput / latency (Kleinrock, "Power and Deterministic Rules of Thumb for Probabilistic
Problems in Computer Communications", ICC 1979): beyond it a step raises latency by more than throughput.

Open loop: the highest rate that the server keeps up with, together with all lower ones: it answers at least KEEPS_UP of what was
offered, and p99 TTFT is at most QUEUES times that of the lowest rate, so no queue stands before the engine. The answer rate is
taken without the time that the last answers need after the last arrival (the lowest rate's median E2E), and what was offered is
taken from the arrivals as they came, where the samples are kept: few Poisson arrivals are often not the rate that was asked for.

All figures are medians over repeats, under vLLM's definitions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

GAIN = 0.15  # throughput a doubling of concurrency
NOISE = 0.05  # less growth than this is none
BEYOND = 1.5  # how far past the knee a closed sweep must go to show that it is one
KEEPS_UP = 0.95
QUEUES = 5.0
FEWEST = 3  # levels


@dataclass(frozen=True)
class Point:
    """One load, medians over its repeats."""

    load: float  # concurrency, or requests/s asked for
    throughput: float  # closed: output tokens/s; open: requests/s
    e2e: float  # median, ms
    ttft: float  # p99, ms
    share: float = 1.0  # open: answered of what was offered


def knee(levels: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The knee of the mode with most loads; that of the other mode, where it was run too, stands in it under "other".

    `at` is None, and `why` says the reason, when there is none; None without a level in which a request completed.
    """
    whole = [level for level in levels if not level.get("partial") and level["summary"]["requests"]["completed"]]
    closed = _closed_points([level for level in whole if level["load"]["mode"] == "closed"])
    opened = _open_points([level for level in whole if level["load"]["mode"] == "open"])
    found = [_closed(closed)] if closed else []
    if opened:
        found.insert(0 if len(opened) > len(closed) else 1, _open(opened))
    return {**found[0], "other": found[1] if len(found) > 1 else None} if found else None


def _grouped(levels: Sequence[dict[str, Any]], key: str) -> list[tuple[float, list[dict[str, Any]]]]:
    groups: dict[float, list[dict[str, Any]]] = {}
    for level in levels:
        value = level["load"].get(key)
        if value is not None and math.isfinite(float(value)):
            groups.setdefault(float(value), []).append(level)
    return sorted(groups.items())


def _median(levels: Sequence[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> float:
    return float(statistics.median([figure(level) for level in levels]))


def _e2e(level: dict[str, Any]) -> float:
    return float((level["summary"]["e2e_ms"]["vllm"] or {"p50": 0.0})["p50"])


def _ttft(level: dict[str, Any]) -> float:
    return float((level["summary"]["ttft_ms"]["vllm"] or {"p99": 0.0})["p99"])


def _closed_points(levels: Sequence[dict[str, Any]]) -> list[Point]:
    return [
        Point(
            load,
            _median(same, lambda level: float(level["summary"]["output_tokens_per_second"])),
            _median(same, _e2e),
            _median(same, _ttft),
        )
        for load, same in _grouped(levels, "concurrency")
    ]


def _open_points(levels: Sequence[dict[str, Any]]) -> list[Point]:
    groups = _grouped(levels, "rate")
    drain = _median(groups[0][1], _e2e) / 1000 if groups else 0.0
    return [
        Point(
            rate,
            _median(same, lambda level: float(level["summary"]["request_rate"])),
            _median(same, _e2e),
            _median(same, _ttft),
            _median(same, lambda level: _answered(level, drain)),
        )
        for rate, same in groups
    ]


def _answered(level: dict[str, Any], drain: float) -> float:
    """Completed requests a second while requests arrived, as a share of those offered a second."""
    arrivals = [request["scheduled"] for request in level.get("requests", [])]
    lasted = max(arrivals) - min(arrivals) if len(arrivals) > 1 else 0.0
    sent = level["summary"]["requests"]["sent"]
    offered = (sent - 1) / lasted if lasted > 0 else float(level["load"]["rate"])
    # n requests have n - 1 gaps; with one less on both sides the share of a server that never waits is 1
    answered = max(level["summary"]["requests"]["completed"] - 1, 0) / max(level["seconds"] - drain, 1e-9)
    return float(min(answered / offered, 1.0))


def _grows(low: Point, high: Point) -> bool:
    growth = high.throughput / low.throughput if low.throughput else math.inf
    return growth >= 1 + NOISE and growth >= (1 + GAIN) ** math.log2(high.load / low.load)


def _closed(points: Sequence[Point]) -> dict[str, Any]:
    strongest = max(points, key=lambda point: point.throughput / point.e2e if point.e2e else 0.0)
    power = {"concurrency": _number(strongest.load), "source": "Kleinrock 1979: most throughput / latency"}
    method = f"throughput grows less than {GAIN:.0%} a doubling of concurrency"
    if len(points) < FEWEST:
        return _none("closed", _few(points, "--concurrency 1,4,16,64"), method, points) | {"power": power}
    at = next(number for number, point in enumerate(points) if not any(_grows(point, later) for later in points[number + 1 :]))
    best, last = points[at], points[-1]
    if last.load < best.load * BEYOND:
        low, high = (points[-2], last) if best is last else (points[max(at - 1, 0)], best)
        change = _change(low.throughput, high.throughput)
        why = f"not reached: output tokens/s still {change} from {low.load:g} to {high.load:g} requests at once: add higher levels"
        return _none("closed", why, method, points) | {"power": power}
    after = next(point for point in points[at + 1 :] if point.load >= best.load * BEYOND)
    why = (
        f"from {best.load:g} to {after.load:g} requests at once output tokens/s {_change(best.throughput, after.throughput)}"
        f" ({best.throughput:.4g} to {after.throughput:.4g}), and the median E2E {_change(best.e2e, after.e2e)}"
        f" ({best.e2e:.4g} to {after.e2e:.4g} ms)"
    )
    if at == 0 and best.load > 1:
        why += "; it is the lowest level measured, so the knee may lie below: add lower levels"
    found = {"mode": "closed", "at": {"concurrency": _number(best.load)}, "throughput": best.throughput, "latency_ms": best.e2e}
    words = {"metric": "output tokens/s; latency: median E2E", "why": why, "method": method, "power": power}
    return found | words | {"points": _shown(points)}


def _open(points: Sequence[Point]) -> dict[str, Any]:
    method = f"answers {KEEPS_UP:.0%} of the offered rate, p99 TTFT within {QUEUES:g} times that of the lowest rate"
    if len(points) < FEWEST:
        return _none("open", _few(points, "--rate 1,2,4,8"), method, points)
    usual = points[0].ttft
    failing = next((n for n, point in enumerate(points) if point.share < KEEPS_UP or point.ttft > QUEUES * usual), None)
    if failing is None:
        last = points[-1]
        why = f"not reached: at {last.load:g} requests/s, the highest rate, the server still answers {last.share:.0%} of what is offered"
        return _none("open", f"{why} with a p99 TTFT of {last.ttft:.4g} ms: add higher rates", method, points)
    over = points[failing]
    broke = [f"answers {over.share:.0%} of what is offered"] if over.share < KEEPS_UP else []
    if over.ttft > QUEUES * usual:
        broke.append(f"has a p99 TTFT of {over.ttft:.4g} ms, {over.ttft / usual:.1f} times that at {points[0].load:g}")
    what = f"at {over.load:g} requests/s the server {' and '.join(broke)}"
    if failing == 0:
        return _none("open", f"not found: even {what}: add lower rates", method, points)
    best = points[failing - 1]
    why = f"{what}; at {best.load:g} it answers {best.share:.0%} with a p99 TTFT of {best.ttft:.4g} ms"
    found = {"mode": "open", "at": {"rate": _number(best.load)}, "throughput": best.throughput, "latency_ms": best.ttft}
    return found | {"metric": "requests/s; latency: p99 TTFT", "why": why, "method": method, "points": _shown(points)}


def _few(points: Sequence[Point], example: str) -> str:
    measured = f"{len(points)} level" + ("" if len(points) == 1 else "s")
    return f"not looked for: {measured} measured, a knee needs {FEWEST} or more: add levels, as in {example}"


def _none(mode: str, why: str, method: str, points: Sequence[Point]) -> dict[str, Any]:
    found = {"mode": mode, "at": None, "throughput": None, "latency_ms": None, "metric": None, "why": why, "reason": why}
    return found | {"method": method, "points": _shown(points)}


def _shown(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {"load": _number(p.load), "throughput": p.throughput, "e2e_p50_ms": p.e2e, "ttft_p99_ms": p.ttft, "answered": round(p.share, 4)}
        for p in points
    ]


def _number(load: float) -> int | float:
    return int(load) if load == int(load) else load


def _change(before: float, after: float) -> str:
    change = after / before - 1 if before else math.inf
    return f"{'grow' if change >= 0 else 'fall'} {abs(change):.0%}"
