"""Whether the load generator was part of what it measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LATE_MS, BUSY = 10.0, 0.9  # timers later than that at p99, or more than that of its core


def generator_ok(levels: Sequence[dict[str, Any]]) -> bool:
    """Of document levels: it was on time and had room in all of them."""
    return all(level["generator"]["loop_ms"]["p99"] <= LATE_MS and level["generator"]["cpu"] <= BUSY for level in levels)
