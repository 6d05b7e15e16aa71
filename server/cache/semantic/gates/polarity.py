"""Opposites: enable and disable, increase and decrease, landlord and tenant; 켜다와 끄다, 늘리다와 줄이다, 가능과 불가능.

The pairs are the [opposite] sections of the word lists. They are compared axis by axis: a question may name both sides ("buy or sell"), but
two questions must not stand on different ones.
"""

from __future__ import annotations

from server.cache.semantic.gates.reading import Reading, read


def polarity(a: str, b: str) -> str | None:
    """Objects when on some axis the questions stand on different sides."""
    one, other = sides(read(a)), sides(read(b))
    for axis in one.keys() & other.keys():
        if one[axis].keys() != other[axis].keys():
            first, second = (", ".join(sorted(set(x[axis].values()))) for x in (one, other))
            if first != second:
                return f"{first} in one, {second} in the other"
    return None


def sides(reading: Reading) -> dict[int, dict[int, str]]:
    """Axis -> side -> the word that stands on it."""
    found: dict[int, dict[int, str]] = {}
    for unit in reading.units:
        for axis, side in unit.poles:
            found.setdefault(axis, {})[side] = unit.text
    return found
