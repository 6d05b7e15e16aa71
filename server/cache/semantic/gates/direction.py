"""Who does what to whom, from where to where, what is compared with what: the same words in other places are another question."""

from __future__ import annotations

from itertools import permutations

from server.cache.semantic.gates.reading import Reading, read
from server.cache.semantic.gates.unit import Unit

OPPOSED = {
    frozenset(pair) for pair in (("from", "to"), ("than", "subject"), ("subject", "object"), ("before", "after"), ("with", "without"))
}
FILLED = ("from", "to", "than", "before", "after", "instead", "by", "against", "without", "except", "object", "subject")


def direction(a: str, b: str) -> str | None:
    """Objects when a word that both have stands in opposite places."""
    one, other = read(a), read(b)
    return _places(one, other) or _fillers(one, other) or (_turned(one, other) if one.language != "ko" else None)


def _roles(reading: Reading) -> list[Unit]:
    return [unit for unit in reading.content if unit.role]


def _places(one: Reading, other: Reading) -> str | None:
    """The same word is "from" here and "to" there."""
    for first in _roles(one):
        for second in _roles(other):
            if first.same(second) and frozenset((first.role, second.role)) in OPPOSED and not _elsewhere(first, other, first.role):
                return f"{first.text} is {first.role} in one, {second.role} in the other"
    return None


def _elsewhere(unit: Unit, reading: Reading, role: str) -> bool:
    return any(unit.same(u) and u.role == role for u in reading.units)


def _fillers(one: Reading, other: Reading) -> str | None:
    """Each names something else after the same preposition or particle, and the other has that word too, somewhere else."""
    for role in FILLED:
        here, there = ([unit for unit in _roles(reading) if unit.role == role] for reading in (one, other))
        if here and there and not any(x.same(y) for x in here for y in there):
            if _in(here, other) and _in(there, one):
                return f"{role} {here[0].text} in one, {role} {there[0].text} in the other"
    return None


def _in(units: list[Unit], reading: Reading) -> bool:
    return any(unit.same(u) for unit in units for u in reading.content)


def _turned(one: Reading, other: Reading) -> str | None:
    """ "a landlord sues a tenant" and "a tenant sues a landlord": two words changed places around a third that stayed between them."""
    order_a, order_b = _order(one, other), _order(other, one)
    if len(order_a) < 3 or len(order_a) > 24 or len(order_b) < 3:
        return None
    place = {i: next((j for j, u in enumerate(order_b) if u.same(unit)), None) for i, unit in enumerate(order_a)}
    found = [(i, j) for i, j in place.items() if j is not None]
    for (i1, j1), (i2, j2), (i3, j3) in ((found[x], found[y], found[z]) for x, y, z in permutations(range(len(found)), 3) if x < y < z):
        if i1 < i2 < i3 and j1 > j2 > j3 and _passive(one) == _passive(other):
            return f"{order_a[i1].text} and {order_a[i3].text} have changed places"
    return None


def _order(reading: Reading, other: Reading) -> list[Unit]:
    return [unit for unit in reading.content if any(unit.same(u) for u in other.content)]


def _passive(reading: Reading) -> bool:
    return any(unit.role == "by" for unit in reading.units)
