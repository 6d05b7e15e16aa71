"""What one question denies, the other must deny: not, never, without, unable; 안, 못, -지 않다, -지 말다, 없다, 불가.

Phrases that carry a negation but mean something of their own ("can't remember" is "forgot", "작동 안 해요" is "고장") are words of the
lists and are not counted here.
"""

from __future__ import annotations

from server.cache.semantic.gates.reading import Reading, read
from server.cache.semantic.gates.unit import Unit


def negation(a: str, b: str) -> str | None:
    """Objects when only one denies, when one denies twice, or when each denies a different one of the words they share."""
    one, other = read(a), read(b)
    deny_a, deny_b = denied(one), denied(other)
    if len(deny_a) != len(deny_b):
        return f"{len(deny_a)} negations in one, {len(deny_b)} in the other"
    for first, second in zip(deny_a, deny_b, strict=True):
        apart = first and second and not any(x.same(y) for x in first for y in second)
        if apart and _has(other, first) and _has(one, second):
            return f"{first[0].text} is denied in one, {second[0].text} in the other"
    return None


def denied(reading: Reading) -> list[list[Unit]]:
    """For each negation, the words of content that it can belong to: the next two in English; in Korean the next and the one before."""
    found = []
    for i, unit in enumerate(reading.units):
        if unit.negation:
            after = [u for u in reading.units[i + 1 :] if u.content][:1]
            before = [u for u in reading.units[:i] if u.content][-1:]
            found.append(after + before if reading.language == "ko" else after or before)
    return found


def _has(reading: Reading, units: list[Unit]) -> bool:
    return any(unit.same(u) for unit in units for u in reading.units)
