"""Every word of content in one question must be found in the other: equal, of the same stem, or on one line of the word lists.

This is what separates "cook salmon" from "cook trout", which no list of opposites can. Words that carry no content (please, way, best) are
free. A word that the lists do not know must stand in both: the gate is in doubt, and doubt is a miss.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.cache.semantic.gates.reading import read
from server.cache.semantic.gates.unit import Unit


def content(a: str, b: str) -> str | None:
    """Objects to the first words that only one of the questions has."""
    one, other = read(a).units, read(b).units
    only_a, only_b = left_over(one, other), left_over(other, one)
    if not only_a and not only_b:
        return None
    return "; ".join(f"only one has {', '.join(unit.text for unit in side[:3])}" for side in (only_a, only_b) if side)


def left_over(units: Iterable[Unit], others: tuple[Unit, ...]) -> list[Unit]:
    """The content of `units` that nothing in `others` means; a compound written apart or together is found too."""
    meanings = frozenset().union(*(unit.meanings for unit in others)) if others else frozenset()
    glued = "".join(unit.text.removesuffix("-").replace(" ", "") for unit in others)
    found = []
    for unit in units:
        if unit.content and unit.meanings.isdisjoint(meanings):
            word = unit.text.replace(" ", "")
            if not (len(word) > 3 and any(len(m) > 3 and m in glued for m in [word, *unit.meanings])):
                found.append(unit)
    return found
