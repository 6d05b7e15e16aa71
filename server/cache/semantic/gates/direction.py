"""Who does what to whom, from where to where, what is compared with what: the same words in other places are another question."""

from __future__ import annotations

from server.cache.semantic.gates.reading import Reading, read
from server.cache.semantic.gates.unit import Unit

DO = frozenset(("do", "does", "did"))
FILLED = ("from", "to", "toward", "than", "before", "after", "instead", "by", "against", "without", "except", "in")


def direction(a: str, b: str) -> str | None:
    """Objects when a word that both have stands in opposite places."""
    one, other = read(a), read(b)
    return _exchanged(one, other) or _fillers(one, other) or _turned(one, other)


def _roles(reading: Reading) -> list[Unit]:
    return [unit for unit in reading.content if unit.role]


def _exchanged(one: Reading, other: Reading) -> str | None:
    """Two words have taken each other's place: "from A to B" and "from B to A"."""
    for x in _roles(one) if one.language != "ko" else []:
        for y in _roles(other):
            if x.same(y) and {x.role, y.role} == {"from", "to"} and not any(x.same(u) and u.role == x.role for u in other.units):
                return f"{x.role} {x.text} in one, {y.role} it in the other"
    pairs = [(x, y) for x in _roles(one) for y in _roles(other) if x.same(y) and x.role != y.role]
    for i, (x, y) in enumerate(pairs):
        for p, q in pairs[i + 1 :]:
            if x.role == q.role and y.role == p.role and not x.same(p):
                return f"{x.text} and {p.text} have changed places"
    return None


def _fillers(one: Reading, other: Reading) -> str | None:
    """Each names something else after the same preposition or particle, and the other has that word too, somewhere else."""
    for role in FILLED:
        roles = (role, "to") if role == "toward" else (role,)
        here, there = ([unit for unit in _roles(reading) if unit.role in roles] for reading in (one, other))
        apart = here and there and not any(x.same(y) for x in here for y in there)
        if apart and _in(here, other) and _in(there, one):
            return f"{role} {here[0].text} in one, {role} {there[0].text} in the other"
    return None


def _in(units: list[Unit], reading: Reading) -> bool:
    return any(unit.same(u) for unit in units for u in reading.content)


def _turned(one: Reading, other: Reading) -> str | None:
    """The same words in another order: "a landlord sues a tenant" and "a tenant sues a landlord".

    Either the words between them are the same one after the other, or two words changed places around a third beside them.
    """
    a, b = one.content, other.content
    rest_a, rest_b = (sorted(u.text for u in reading.units if not u.content and u.text not in DO) for reading in (one, other))
    aligned = len(a) == len(b) and all(any(unit.same(u) for u in b) for unit in a)
    if one.language != "ko" and aligned and rest_a == rest_b and any(not x.same(y) for x, y in zip(a, b, strict=True)):
        return "the same words stand in another order"
    if one.language != "ko" and _passive(one) == _passive(other):
        for x, y, z in zip(a, a[1:], a[2:], strict=False):
            if any(
                z.same(p) and y.same(q) and x.same(r) and not x.same(z) and not any((x.role, z.role, p.role, r.role))
                for p, q, r in zip(b, b[1:], b[2:], strict=False)
            ):
                return f"{x.text} and {z.text} have changed places"
    return None


def _passive(reading: Reading) -> bool:
    return any(unit.role == "by" for unit in reading.units)
