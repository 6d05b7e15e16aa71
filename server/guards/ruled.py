"""A detector out of what matches in a normalised text: expressions of linear time, words."""

from __future__ import annotations

from collections.abc import Iterator

from server.guards.base import Finding
from server.guards.linear import Hit
from server.guards.normal import Normal
from server.guards.view import View
from server.guards.words import Matcher

CONTEXT = 32  # characters: one is looked at, and unseen ones may stand between


class Ruled:
    context = CONTEXT

    def __init__(self, matcher: Matcher, category: str) -> None:
        self.matcher = matcher
        self.category = category
        self.reach = matcher.reach

    def find(self, view: View, start: int = 0) -> list[Finding]:
        normal = view.plain
        hits = self._hits(normal, normal.text, normal.index(start))
        return [Finding(normal.at(hit.start), normal.until(hit.end), self.category) for hit in hits]

    def alive(self, view: View, start: int = 0) -> int:
        normal = view.plain
        sure = normal.index(normal.firm)
        text = normal.text[:sure]
        at = min(normal.index(start), sure)
        first = self.matcher.alive(text, at)
        if first < sure:
            for hit in self._hits(normal, text, at):
                if hit.start >= first:
                    break
                behind = max(hit.end, normal.index(normal.until(hit.end)))
                if first < behind:
                    first = self.matcher.alive(text, min(behind, sure))  # what begins inside a match that stands is no match
        return normal.at(first) if first < sure else max(normal.firm, start)

    def _hits(self, normal: Normal, text: str, start: int) -> Iterator[Hit]:
        """Matches of which none is over another in the raw text either, of which one character may be several here."""
        done = 0

        def accept(hit: Hit, text: str) -> bool:
            return normal.at(hit.start) >= done

        for hit in self.matcher.find(text, start, accept):
            yield hit
            done = normal.until(hit.end)
