"""What finds personal data and secrets: rules with a check behind each, over two views of the text, as one detector.

A rule proposes; its check decides by check digits and by the words before. Nothing after a match is read but `after`
characters, so that a stream is held back for that only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from server.guards.base import Finding
from server.guards.linear import Gate, Rule, Rules
from server.guards.normal import Normal, normalise

if TYPE_CHECKING:
    from server.guards.view import View

BEFORE = 40  # characters before a match that are read
CONTEXT = 112  # that must be there: BEFORE, and room for what the normaliser reads around its first character

NEAR = 100  # characters
JOINED = 512  # characters of findings that overlap

Before = Callable[[int], str]  # a character of the text -> what stands before it, BEFORE characters of the raw text


@dataclass(frozen=True, slots=True)
class Hit:
    """Characters [start, end) of the normalised text."""

    start: int
    end: int
    category: str
    score: float = 1.0


Check = Callable[[str, int, int, Before], Hit | None]


class Finder(Protocol):
    """`words`: the text with numbers as they were written, in words too; character for character the same otherwise."""

    reach: int

    def find(self, text: str, start: int, before: Before, words: str) -> list[Hit]: ...

    def alive(self, text: str, start: int, words: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Token:
    """`after`: characters behind a match that the check reads. `lead`: most characters of a match before its hit, its label."""

    category: str
    pattern: str
    check: Check
    ignore_case: bool = True
    after: int = 0
    lead: int = 0


class Tokens:
    """Finds what expressions of linear time match and their checks let stand. Every match counts; the detector joins those that overlap.

    The label of a match may have gone out before its value: matches are looked for from `lead` characters before.
    `markers`: an expression that every match has in it, whole within its first NEAR characters; most texts have none, and
    that is found out much faster.
    """

    def __init__(self, tokens: Sequence[Token], longest: int, markers: str | None = None) -> None:
        self.tokens = tokens
        self.all = Rules([_rule(token) for token in tokens], longest)
        self.each = [Rules([_rule(token)], longest) for token in tokens]
        self._markers = Rules([Rule(markers, "marker", ignore_case=True)], longest) if markers is not None else None
        self.after = max((token.after for token in tokens), default=0)
        self.lead = max((token.lead for token in tokens), default=0)
        self.reach = self.all.reach + self.after
        self._last: tuple[str, int, bool] | None = None

    def find(self, text: str, start: int, before: Before, words: str) -> list[Hit]:
        low = max(start - self.lead, 0)
        if not self._any(text, low):
            return []
        found = []
        for token, rules in zip(self.tokens, self.each, strict=True):
            for begin, end in _matches(rules, text, max(start - token.lead, 0)):
                hit = token.check(text, begin, end, before)
                if hit is not None and hit.start >= start:
                    found.append(hit)
        return found

    def alive(self, text: str, start: int, words: str) -> int:
        low = max(start - self.lead, 0)
        if not self._marked(text, low):
            return max(self.all.alive(text, max(low, len(text) - NEAR)), start)
        alive = max(self.all.alive(text, low), start)
        if not self.after or alive == start or not self._any(text, low):
            return alive
        for token, rules in zip(self.tokens, self.each, strict=True):
            if token.after:
                for begin, end in _matches(rules, text, max(start - token.lead, 0)):
                    if begin >= alive:
                        break
                    if end + token.after > len(text):
                        alive = max(begin, start)
                        break
        return alive

    def _any(self, text: str, start: int) -> bool:
        last = self._last  # `find` and `alive` ask the same, one after the other
        if last is None or last[0] is not text or last[1] != start:
            found = self._marked(text, start) and next(iter(self.all.find(text, start)), None) is not None
            self._last = last = (text, start, found)
        return last[2]

    def _marked(self, text: str, start: int) -> bool:
        return self._markers is None or next(iter(self._markers.find(text, start)), None) is not None


def _rule(token: Token) -> Rule:
    return Rule(token.pattern, token.category, token.ignore_case)


def _matches(rules: Rules, text: str, start: int) -> Iterator[tuple[int, int]]:
    """Every match, overlapping ones too: a check may shorten one or let it go."""
    at = start
    while (match := next(iter(rules.find(text, at)), None)) is not None:
        yield match.start, match.end
        at = match.start + 1


class _Group:
    """Finders of one view. Those that are made of expressions are asked only where one of them matches, or begins to."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        self.all = list(finders)
        tokens = [finder for finder in finders if isinstance(finder, Tokens)]
        self.others = [finder for finder in finders if not isinstance(finder, Tokens)]
        self.lead = max((finder.lead for finder in tokens), default=0) + 1
        self.gate = Gate([e for finder in tokens for e in finder.all.expressions]) if tokens else None
        self._last: tuple[str, int, bytes, bool] | None = None  # of what was asked: its part as UTF-8, whether something matches

    def worth_finding(self, text: str, start: int) -> Sequence[Finder]:
        return self.all if self._seen(text, start)[1] else self.others

    def worth_asking(self, text: str, start: int) -> Sequence[Finder]:
        part, matches = self._seen(text, start)
        return self.all if matches or (self.gate is not None and self.gate.begins(part)) else self.others

    def _seen(self, text: str, start: int) -> tuple[bytes, bool]:
        if self.gate is None:
            return b"", False
        last = self._last  # `find` and `alive` ask the same, one after the other
        if last is None or last[0] is not text or last[1] != start:
            part = text[max(start - self.lead, 0) :].encode("utf-8", "replace")
            self._last = last = (text, start, part, self.gate.matches(part))
        return last[2], last[3]


class Finders:
    """A Detector. `wanted`: the categories that count; `allow`: values that do not."""

    context = CONTEXT

    def __init__(self, plain: Sequence[Finder], digits: Sequence[Finder], wanted: Collection[str], allow: Iterable[str]) -> None:
        self.plain, self.digits = _Group(plain), _Group(digits)
        self.wanted = frozenset(wanted)
        self.allow = frozenset(bare(value) for value in allow)
        self.reach = max((finder.reach for finder in (*plain, *digits)), default=0)
        self._last: tuple[View, int, list[Finding]] | None = None

    def find(self, view: View, start: int = 0) -> list[Finding]:
        last = self._last
        if last is not None and last[0] is view and last[1] == start:
            return last[2]
        found: list[Finding] = []
        for normal, group in self._groups(view):
            begin = normal.index(start)
            before: Before | None = None
            for finder in group.worth_finding(normal.text, begin):
                before = before or _before(normal, view.raw)
                for hit in finder.find(normal.text, begin, before, view.plain.text):
                    self._add(found, view, normal, hit)
        merged = merge(found)
        self._last = (view, start, merged)
        return merged

    def _add(self, found: list[Finding], view: View, normal: Normal, hit: Hit) -> None:
        if hit.category in self.wanted and not (self.allow and bare(normal.text[hit.start : hit.end]) in self.allow):
            found.append(Finding(normal.at(hit.start), normal.until(hit.end), hit.category, hit.score))

    def alive(self, view: View, start: int = 0) -> int:
        alive = len(view.raw)
        for normal, group in self._groups(view):
            alive = min(alive, self._alive(normal, group, start, view.plain.text))
        return standing(self.find(view, start), alive)

    def _groups(self, view: View) -> Sequence[tuple[Normal, _Group]]:
        """What is asked of which view of the text."""
        plain = ((view.plain, self.plain),) if self.plain.all else ()
        return (*plain, (view.digits, self.digits)) if self.digits.all else plain

    def _alive(self, normal: Normal, group: _Group, start: int, words: str) -> int:
        """In raw characters. What may still be normalised otherwise is not there yet."""
        firm = normal.index(normal.firm) if normal.firm < normal.at(len(normal.text)) else len(normal.text)
        text = normal.text[:firm]
        begin = min(normal.index(start), firm)
        words = text if words is normal.text else words[:firm]
        first = firm
        for finder in group.worth_asking(text, begin):
            first = min(first, finder.alive(text, begin, words))
        return normal.at(first) if first < firm else max(normal.firm, start)


def _before(normal: Normal, raw: str) -> Before:
    def before(at: int) -> str:
        return normal.text[normal.index(max(normal.at(at) - BEFORE, 0)) : at]

    return before


def standing(found: Sequence[Finding], alive: int) -> int:
    """`alive`, or the start of what reaches over it."""
    for finding in reversed(found):
        if finding.start < alive < finding.end:
            alive = finding.start
    return alive


def merge(found: list[Finding]) -> list[Finding]:
    """In order, and those that overlap as one: their union, called what the surest and longest of them is.

    A union grows to JOINED characters; what reaches farther is left out, since a chain of findings without an end would be
    held back without an end. What begins inside a finding is never looked at again, so a stream leaves out the same.
    """
    found.sort(key=lambda finding: (finding.start, -finding.end))
    out: list[Finding] = []
    for finding in found:
        last = out[-1] if out else None
        if last is None or finding.start >= last.end:
            out.append(finding)
        elif finding.end <= max(last.end, last.start + JOINED):
            best = max(last, finding, key=lambda each: (each.score, each.end - each.start))
            out[-1] = Finding(last.start, max(last.end, finding.end), best.category, best.score)
    return out


def bare(value: str) -> str:
    """Letters and digits of a value, its disguise taken off."""
    return "".join(character for character in normalise(value, digits=True).text.casefold() if character.isalnum())
