"""Every word of content in one question must be found in the other: equal, of the same stem, or on one line of the word lists.

This is what separates "cook salmon" from "cook trout", which no list of opposites can. A word that the lists do not know must stand in
both: the gate is in doubt, and doubt is a miss. Words of the [light] list (find, place, situation) may be in one question alone, unless
they stand where the other has a different word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.cache.semantic.gates.reading import read
from server.cache.semantic.gates.unit import Unit

DENIES = re.compile(r"\b(?:not|no|cannot|without)\b|[안못않없]")


def content(a: str, b: str) -> str | None:
    """Objects to the first words that only one of the questions has."""
    one, other = read(a).units, read(b).units
    only_a, only_b = left_over(one, other), left_over(other, one)
    heavy = [[unit.text for unit in side if not unit.light] for side in (only_a, only_b)]
    if any(heavy) and not (read(a).language == "en" and _one_more_word(one, other, only_a, only_b)):
        return "; ".join(f"only one has {', '.join(side[:3])}" for side in heavy if side)
    for first in only_a:
        for second in only_b:
            if _same_place(first, one, second, other):
                return f"{first.text} in one, {second.text} in the other"
    return None


def _one_more_word(one: tuple[Unit, ...], other: tuple[Unit, ...], only_a: list[Unit], only_b: list[Unit]) -> bool:
    """One question has one word more, which the lists know and which is no side of an opposite, and the rest is worded in another way.

    Where the rest is the same word for word, the one more narrows the question ("shoes", "worn shoes") and counts.
    """
    heavy = [unit for unit in (*only_a, *only_b) if not unit.light]
    if len(heavy) != 1 or heavy[0].poles or not any(meaning.startswith("=") for meaning in heavy[0].meanings):
        return False
    if DENIES.search(heavy[0].text) or any(_same_place(x, one, y, other, either=True) for x in only_a for y in only_b):
        return False
    words = [[unit.text for unit in units if unit.content and unit not in heavy] for units in (one, other)]
    return words[0] != words[1]


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


def _same_place(first: Unit, one: tuple[Unit, ...], second: Unit, other: tuple[Unit, ...], *, either: bool = False) -> bool:
    """Whether the words beside them, or the ends of the questions, are the same on both sides, or with `either` on one."""
    i, j = one.index(first), other.index(second)
    before = (one[i - 1] if i else None, other[j - 1] if j else None)
    after = (one[i + 1] if i + 1 < len(one) else None, other[j + 1] if j + 1 < len(other) else None)
    equal = [(x is None and y is None) or (x is not None and y is not None and x.same(y)) for x, y in (before, after)]
    return any(equal) if either else all(equal)
