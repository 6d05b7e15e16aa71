"""One text through several detectors, piece by piece: what no more text can change goes out, the rest is held back.

For any pieces, what comes out, what was found and where it was blocked are the same as for the whole text at once: each
detector says from where on a finding could still begin or change (`alive`), and nothing behind the least of these goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from server.guards.base import Detector, Finding, Side
from server.guards.view import View

LEAST_CONTEXT = 64  # characters that stay behind what has gone out: numbers in words are told by their neighbours


@dataclass(frozen=True, slots=True)
class Bound:
    """A detector with what its guard does. `replace` gives what stands in for a text that was found."""

    name: str
    detector: Detector
    action: Literal["block", "redact", "warn"]
    replace: Callable[[str, Finding], str]


@dataclass(slots=True)
class _Union:
    """Findings that overlap. `by`: the place in the list of the guard that decides what is done."""

    start: int
    end: int
    by: int
    finding: Finding
    blocks: bool


class Hold:
    """`found`, `cuts` and `blocked` are in characters of the whole text. After a block nothing more comes out."""

    def __init__(self, bounds: Sequence[Bound], side: Side) -> None:
        self.bounds = bounds
        self.side = side
        self.blocked: tuple[str, Finding] | None = None
        self.cuts: list[tuple[int, int]] = []
        self.found: list[tuple[str, Finding]] = []
        self.released = 0
        self._context = max([LEAST_CONTEXT, *(bound.detector.context for bound in bounds)])
        self._buffer = ""
        self._start = 0  # of what is held, in the buffer; before it is context
        self._base = 0  # of the buffer, in the whole text

    @property
    def worst(self) -> int:
        """The longest text that can be held back, in characters that are seen."""
        return max((bound.detector.reach for bound in self.bounds), default=0)

    def feed(self, text: str) -> str:
        """What may go out now."""
        return self._advance(text, last=False)

    def finish(self) -> str:
        """The rest, at the end of the text."""
        return self._advance("", last=True)

    def whole(self, text: str) -> str:
        """`feed` and `finish` in one."""
        return self._advance(text, last=True)

    def _advance(self, text: str, last: bool) -> str:
        if self.blocked is not None:
            return ""
        self._buffer += text
        view = View(self._buffer, self._base)
        found: list[tuple[int, Finding]] = []
        limit = len(self._buffer)
        for place, bound in enumerate(self.bounds):
            found += [(place, finding) for finding in bound.detector.find(view, self._start)]
            if not last:
                limit = min(limit, max(self._start, bound.detector.alive(view, self._start)))
        out, limit = self._give(found, limit)
        self._keep(limit)
        return out

    def _give(self, found: list[tuple[int, Finding]], limit: int) -> tuple[str, int]:
        """What goes out of the buffer, and up to where that is."""
        found = [(place, finding) for place, finding in found if finding.start < limit]
        unions = self._unions(found)
        for union in unions:
            if union.start < limit < union.end:
                limit = union.start
        changed = True
        while changed:
            changed = False
            for _, finding in found:
                if finding.start < limit < finding.end:
                    limit, changed = finding.start, True
        parts = []
        at = self._start
        for union in unions:
            if union.start >= limit:
                break
            parts.append(self._buffer[at : union.start])
            absolute = (union.start + self._base, union.end + self._base)
            self.cuts.append(absolute)
            if union.blocks:
                self._note(found, union.end)
                bound = self.bounds[union.by]
                self.blocked = (bound.name, _moved(union.finding, self._base))
                self.released = absolute[0]
                return "".join(parts), limit
            cut = Finding(union.start, union.end, union.finding.category, union.finding.score)
            parts.append(self.bounds[union.by].replace(self._buffer[union.start : union.end], cut))
            at = union.end
        parts.append(self._buffer[at:limit])
        self._note(found, limit)
        self.released = self._base + limit
        return "".join(parts), limit

    def _unions(self, found: list[tuple[int, Finding]]) -> list[_Union]:
        """Where text is replaced or blocked, in order. Where findings overlap a block goes before all, then the first guard of the list."""
        unions: list[_Union] = []
        acting = [(place, finding) for place, finding in found if self.bounds[place].action != "warn"]
        for place, finding in sorted(acting, key=lambda one: (one[1].start, one[0], one[1].end)):
            blocks = self.bounds[place].action == "block"
            if not unions or finding.start >= unions[-1].end:
                unions.append(_Union(finding.start, finding.end, place, finding, blocks))
                continue
            last = unions[-1]
            last.end = max(last.end, finding.end)
            if (blocks, -place) > (last.blocks, -last.by):
                last.by, last.finding, last.blocks = place, finding, blocks
        return unions

    def _note(self, found: list[tuple[int, Finding]], until: int) -> None:
        for place, finding in sorted(found, key=lambda one: (one[1].start, one[0], one[1].end)):
            if finding.start < until:
                self.found.append((self.bounds[place].name, _moved(finding, self._base)))

    def _keep(self, limit: int) -> None:
        drop = max(0, limit - self._context)
        self._buffer = self._buffer[drop:]
        self._base += drop
        self._start = limit - drop


def _moved(finding: Finding, by: int) -> Finding:
    return Finding(finding.start + by, finding.end + by, finding.category, finding.score)
