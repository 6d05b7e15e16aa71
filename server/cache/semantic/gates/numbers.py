"""Numbers and units must be the same: "in 3 steps" is not "in 5 steps", and 20 degrees Celsius are not 20 Fahrenheit."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from server.cache.semantic.gates.reading import read


def numbers(a: str, b: str) -> str | None:
    """Objects when a number, or what it counts, is only in one of them."""
    one, other = (Counter(q.key for q in read(text).quantities) for text in (a, b))
    for first, second in ((one, other), (other, one)):
        for (value, unit), times in first.items():
            if times > second[(value, unit)] and not (times == 1 and _without_unit(value, unit, second)):
                return f"{value.normalize():f}{' ' + unit if unit else ''} is only in one of them"
    return None


def _without_unit(value: Decimal, unit: str, others: Counter[tuple[Decimal, str]]) -> bool:
    """The same count of things where one text does not name them: "세 개" and "셋", "5 people" and "5"."""
    countable = {"", "person", "time", "page", "line"}
    return unit in countable and any(value == v and u in countable and "" in (unit, u) for v, u in others)
