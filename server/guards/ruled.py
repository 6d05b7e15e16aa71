"""A detector out of expressions of linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from server.guards.base import Finding
from server.guards.linear import Hit, Rule, Rules
from server.guards.normal import Normal
from server.guards.view import View

CONTEXT = 32  # characters: one is looked at, and unseen ones may stand between


class Ruled:
    """`kernels`: rule -> expression of the part of its match that is the finding, from its start on; none: all of it."""

    context = CONTEXT

    def __init__(self, rules: Sequence[Rule], category: str, longest: int, kernels: Mapping[str, re.Pattern[str]] | None = None) -> None:
        self.rules = Rules(rules, longest)
        self.category = category
        self.kernels = kernels or {}
        self.reach = self.rules.reach

    def find(self, view: View, start: int = 0) -> list[Finding]:
        normal = view.plain
        found = []
        for hit in self._hits(normal, normal.text, normal.index(start)):
            end = hit.end
            kernel = self.kernels.get(hit.name)
            if kernel is not None:
                inner = kernel.match(normal.text, hit.start, hit.end)
                end = inner.end() if inner is not None else end
            found.append(Finding(normal.at(hit.start), normal.until(end), self.category))
        return found

    def alive(self, view: View, start: int = 0) -> int:
        normal = view.plain
        sure = normal.index(normal.firm)
        text = normal.text[:sure]
        at = min(normal.index(start), sure)
        first = self.rules.alive(text, at)
        if first < sure:
            for hit in self._hits(normal, text, at):
                if hit.start >= first:
                    break
                behind = max(hit.end, normal.index(normal.until(hit.end)))
                if first < behind:
                    first = self.rules.alive(text, min(behind, sure))  # what begins inside a match that stands is no match
        return normal.at(first) if first < sure else max(normal.firm, start)

    def _hits(self, normal: Normal, text: str, start: int) -> Iterator[Hit]:
        """Matches of which none is over another in the raw text either, of which one character may be several here."""
        done = 0

        def accept(hit: Hit, text: str) -> bool:
            return normal.at(hit.start) >= done

        for hit in self.rules.find(text, start, accept):
            yield hit
            done = normal.until(hit.end)
