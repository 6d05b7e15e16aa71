"""One text through several detectors, piece by piece: what no more text can change goes out, the rest is held back.

For any pieces, what comes out, what was found and where it was blocked are the same as for the whole text at once: each
detector says from where on a finding could still begin or change (`alive`), and nothing behind the least of these goes out.
Guards that only warn hold nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from server.guards.base import Detector, Finding, Side
from server.guards.view import View

CONTEXT = 64  # characters that stay behind what has gone out, at least
SEEN = 24  # and at least so many that are seen: numbers in words are told by their neighbours


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
    """All offsets are in characters of the whole text. After a block nothing more comes out.

    `cuts`: what was replaced, or blocked; `released`: up to where the text was given out or cut; `found`: by start, then by guard.
    """

    def __init__(self, bounds: Sequence[Bound], side: Side) -> None:
        self.bounds = bounds
        self.side = side
        self.blocked: tuple[str, Finding] | None = None
        self.cuts: list[tuple[int, int]] = []
        self.found: list[tuple[str, Finding]] = []
        self.released = 0
        self._acting = [place for place, bound in enumerate(bounds) if bound.action != "warn"]
        reaches = [bounds[place].detector.reach for place in self._acting]
        self._widest = sum(reaches)  # of findings that overlap: what goes on behind it is replaced by itself
        self.worst = max(reaches, default=0) + (self._widest if len(reaches) > 1 else 0)
        self._context = max([CONTEXT, *(bound.detector.context for bound in bounds)])
        self._buffer = ""
        self._base = 0  # of the buffer
        self._next = [0] * len(bounds)  # of each guard: its findings before it are known and stand
        self._noted: list[tuple[int, Finding]] = []  # findings that stand, by guard; to be told in order
        self._due: list[tuple[int, Finding]] = []  # those to be cut out, or blocked

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
        for place in range(len(self.bounds)):
            self._next[place] = self._look(place, view, last)
        size = self._base + len(self._buffer)
        out = self._give(min([self._next[place] for place in self._acting], default=size), min(self._next, default=size))
        if self.blocked is None:
            self._forget(view)
        return out

    def _look(self, place: int, view: View, last: bool) -> int:
        """Take in what the guard finds that no more text can change. Gives up to where that is."""
        detector, base, start = self.bounds[place].detector, self._base, self._next[place] - self._base
        alive = len(view.raw) if last else max(start, detector.alive(view, start))
        if alive == start and not last:
            return base + start
        for finding in detector.find(view, start):
            if finding.start >= alive:
                break
            if finding.end > alive:
                alive = finding.start
                break
            moved = Finding(finding.start + base, finding.end + base, finding.category, finding.score)
            self._noted.append((place, moved))
            if self.bounds[place].action != "warn":
                self._due.append((place, moved))
        return base + alive

    def _give(self, known: int, sure: int) -> str:
        """What goes out. Before `known` all is known that is cut out or blocks, before `sure` all that is found."""
        parts = []
        at, limit = self.released, known
        left = [(place, finding) for place, finding in self._due if finding.start >= known]
        for union, members in self._unions([(place, finding) for place, finding in self._due if finding.start < known]):
            if union.end > (sure if union.blocks else known) or limit < known:
                limit = min(limit, union.start)
                left += members
                continue
            parts.append(self._buffer[at - self._base : union.start - self._base])
            self.cuts.append((union.start, union.end))
            if union.blocks:
                self._tell(union.end)
                self.blocked = (self.bounds[union.by].name, union.finding)
                self.released = union.start
                return "".join(parts)
            cut = Finding(union.start, union.end, union.finding.category, union.finding.score)
            parts.append(self.bounds[union.by].replace(self._buffer[union.start - self._base : union.end - self._base], cut))
            at = union.end
        parts.append(self._buffer[at - self._base : limit - self._base])
        self._due = left
        self._tell(sure)
        self.released = limit
        return "".join(parts)

    def _unions(self, due: list[tuple[int, Finding]]) -> list[tuple[_Union, list[tuple[int, Finding]]]]:
        """Where text is replaced or blocked, in order. Where findings overlap a block goes before all, then the first guard of the list."""
        unions: list[tuple[_Union, list[tuple[int, Finding]]]] = []
        for place, finding in sorted(due, key=lambda one: (one[1].start, one[0], one[1].end)):
            blocks = self.bounds[place].action == "block"
            last, members = unions[-1] if unions else (None, [])
            if last is not None and last.end > finding.start and finding.end > max(last.end, last.start + self._widest):
                finding = Finding(last.end, finding.end, finding.category, finding.score)
            if last is None or finding.start >= last.end:
                unions.append((_Union(finding.start, finding.end, place, finding, blocks), [(place, finding)]))
                continue
            last.end = max(last.end, finding.end)
            members.append((place, finding))
            if (blocks, -place) > (last.blocks, -last.by):
                last.by, last.finding, last.blocks = place, finding, blocks
        return unions

    def _tell(self, until: int) -> None:
        """Put into `found`, in order, what begins before `until`."""
        if self._noted:
            told = sorted((one for one in self._noted if one[1].start < until), key=lambda one: (one[1].start, one[0], one[1].end))
            self.found += [(self.bounds[place].name, finding) for place, finding in told]
            self._noted = [one for one in self._noted if one[1].start >= until]

    def _forget(self, view: View) -> None:
        """What has gone out, but for the characters that the next ones are judged by. They begin where one that is seen does."""
        done = min([self.released, *self._next]) - self._base
        if done > self._context:
            plain = view.plain
            first = min(plain.index(done) - SEEN, plain.index(done - self._context + 1) - 1)
            drop = plain.at(first) if first > 0 else 0
            self._buffer = self._buffer[drop:]
            self._base += drop
