"""Tables of patterns that name what a text has: the gates for time words, form, scope and what is asked are such tables, compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from server.cache.semantic.gates.reading import read

Table = Mapping[str, str]


class Marks:
    """Compiled once. A mark's patterns are searched in the folded text; English ones stand between word boundaries."""

    def __init__(self, table: Table) -> None:
        self._table = {name: re.compile(pattern, re.VERBOSE) for name, pattern in table.items()}
        self.find = lru_cache(maxsize=4096)(self._find)

    def _find(self, text: str) -> frozenset[str]:
        folded = read(text).folded
        return frozenset(name for name, pattern in self._table.items() if pattern.search(folded))


def only_one(what: str, one: frozenset[str], other: frozenset[str]) -> str | None:
    """Words the objection that some marks stand only in one text; None where both have the same."""
    return f"{what} {', '.join(sorted(one ^ other))} only in one of them" if one != other else None
