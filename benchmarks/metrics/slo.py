"""Limits for TTFT, TPOT and E2E, and goodput: requests a second that meet all of them together.

Goodput as `vllm bench serve --goodput` counts it (vllm/benchmarks/serve.py, calculate_metrics): vLLM's definitions of the three, a
limit is met when the figure is equal or below, TPOT counts as 0 for an answer of one token or none, and the divisor is the
duration of the whole level. DistServe (Zhong et al., OSDI 2024) brought the idea to LLM serving.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Record
from benchmarks.metrics import definitions

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
NAMES = ("ttft", "tpot", "e2e")
EXAMPLE = "--slo ttft=200ms,tpot=50ms,e2e=2s"


@dataclass(frozen=True)
class SLO:
    """Limits in seconds; None: no limit."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def parse(text: str) -> SLO:
    """Limits from "ttft=200ms,tpot=50ms,e2e=2s". Raises BenchUsageError with what would have been right."""
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise BenchUsageError(f"the limit {part.strip()!r} is not NAME=TIME: write {EXAMPLE}")
        if name not in NAMES:
            raise BenchUsageError(f"there is no limit named {name!r}: use {', '.join(NAMES)}, as in {EXAMPLE}")
        if name in limits:
            raise BenchUsageError(f"the limit {name} is given twice: leave one out")
        limits[name] = _seconds(name, value)
    return SLO(**limits)


def _seconds(name: str, value: str) -> float:
    match = re.fullmatch(r"([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([^\W\d_]*)", value)
    if not match:
        raise BenchUsageError(f"the limit {name}={value} is not a time: write a number and a unit, as in {name}=200ms")
    number, unit = float(match[1]), match[2]
    if unit not in UNITS:
        wrong = f"has the unknown unit {unit!r}" if unit else "has no unit"
        raise BenchUsageError(f"the limit {name}={value} {wrong}: use {', '.join(UNITS)}, as in {name}=200ms")
    seconds = number * UNITS[unit]
    if not 0 < seconds < math.inf:
        raise BenchUsageError(f"the limit {name}={value} must be above 0: write for example {name}=200ms")
    return seconds


def missed(record: Record, slo: SLO) -> list[str]:
    """Which limits a completed request missed, under vLLM's definitions. A limit on what the record does not hold is missed."""
    measured = {
        "ttft": definitions.vllm_ttft(record),
        "tpot": definitions.vllm_tpot(record) or ([0.0] if definitions.output_tokens(record) <= 1 else []),
        "e2e": definitions.vllm_e2e(record),
    }
    return [name for name, limit in slo.as_dict().items() if limit is not None and not (measured[name] and measured[name][0] <= limit)]


def goodput(records: Sequence[Record], seconds: float, slo: SLO) -> dict[str, Any]:
    """Requests a second within all limits; `share` is of all requests sent, so a failed one is not good; `missed` by limit."""
    misses = [missed(record, slo) for record in records if definitions.completed(record)]
    good = sum(not names for names in misses)
    return {
        "requests_per_second": round(good / seconds, 4) if seconds > 0 else 0.0,
        "share": round(good / len(records), 4) if records else 0.0,
        "good": good,
        "slo": slo.as_dict(),
        "missed": {name: sum(name in names for names in misses) for name in NAMES},
    }
