"""A word or phrase of a question, as the gates compare it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """Two units mean the same when their `meanings` have one in common."""

    text: str
    meanings: frozenset[str]
    poles: frozenset[tuple[int, int]] = frozenset()  # (axis, side) of the opposites that it stands on
    content: bool = True  # must be found in the other question too
    light: bool = False  # content so general that one question may have it without the other
    negation: bool = False
    role: str = ""  # "from", "to", "than", "before", "after", "by", "with", "subject", "object", ...

    def same(self, other: Unit) -> bool:
        return not self.meanings.isdisjoint(other.meanings)
