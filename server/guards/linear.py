"""Where rules match in a text, and from where on they still may: in linear time, by RE2.

Of all matches the leftmost is taken; of several that begin at one character, that of the rule that is listed first. What
a match takes is as in Python's `re`, but never more than `longest` characters, so that what is held back of a stream is
bounded whatever the pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import ConfigError
from server.guards.expressions import EMPTY, Expression, read

STEP = 4096  # characters searched at once: RE2 is given UTF-8, and a large text would be encoded for each match anew
MEMORY = 8 * 2**20  # bytes that a rule's compiled expression may take
TOGETHER = 64 * 2**20  # and that of all rules, whose automaton falls back to one a hundred times slower where it has no room
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` as Python's `re` reads it; what that may hold is said in expressions.py."""

    pattern: str
    name: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """Characters [start, end) of the text, by the rule called `name`."""

    start: int
    end: int
    name: str


Accept = Callable[[Hit, str], bool]


class Rules:
    """Raises ConfigError for a pattern that is none, takes more than linear time or too much memory."""

    def __init__(self, rules: Sequence[Rule], longest: int = LONGEST) -> None:
        self.rules = list(rules)
        self.longest = longest
        read_out = [(rule, read(rule.pattern, rule.ignore_case)) for rule in rules]
        self.expressions = [e for _, e in read_out]
        self._each = [(rule.name, _anchored(e, [rule]), e.before, e.before_needed) for rule, e in read_out]
        self._reads_before = any(e.before is not None for _, e in read_out)
        self._any = _compile(_candidates([e for _, e in read_out]), self.rules, TOGETHER) if rules else None
        self._before = {e.before: _compile(f"\\A(?:{e.before})", self.rules) for _, e in read_out if e.before is not None}
        self._open_here, self._open_behind = _openings(self.expressions, self.rules)
        self.reach = min(longest, max((e.longest for _, e in read_out), default=0)) + 1

    def find(self, text: str, start: int = 0, accept: Accept | None = None) -> Iterator[Hit]:
        """Matches that begin at or after `start`, in order, none over another.

        A match that `accept` refuses counts as none: one that begins at the same character by a later rule, or later, is looked for.
        """
        if self._any is None:
            return
        size, at = len(text), start
        if self._reads_before and at == 0 and size:  # no character before it: the others are found by theirs
            hit = self._at(text, 0, accept)
            if hit is not None:
                yield hit
            at = hit.end if hit is not None else 1
        while at < size:
            low = max(0, at - 1)  # one character of context, for ^ and \\b
            stop = min(size, at + STEP)
            found = self._any.search(text[low : min(size, stop + self.longest + 1)], 0 if self._reads_before else at - low)
            first = low + found.start() + self._reads_before if found is not None else stop
            if first >= stop:
                at = stop
                continue
            hit = self._at(text, first, accept)
            if hit is None:
                at = first + 1
            else:
                yield hit
                at = hit.end

    def _at(self, text: str, at: int, accept: Accept | None) -> Hit | None:
        low = max(0, at - 1)
        part = text[low : at + self.longest + 1]
        for name, expression, before, needed in self._each:
            if before is not None and ((at == 0 and needed) or (at > 0 and self._before[before].search(text[at - 1]) is None)):
                continue
            found = expression.match(part, at - low)
            if found is not None and low + found.end(1) - at > self.longest:
                found = expression.match(part, at - low, at - low + self.longest)
            if found is None or found.end(1) == found.start(1):
                continue
            hit = Hit(at, low + found.end(1), name)
            if accept is None or accept(hit, text):
                return hit
        return None

    def alive(self, text: str, start: int = 0) -> int:
        """The first character from `start` on at which a match may still begin or change, whatever follows; else len(text)."""
        size = len(text)
        low = max(start, size - self.longest - 1)
        if low >= size or self._open_behind is None:
            return size
        if low == 0:
            if self._open_here is not None and self._open_here.search(text) is not None:
                return 0
            low = 1
        found = self._open_behind.search(text[low - 1 :])
        return low + found.start() if found is not None else size


class Gate:
    """Whether any of many rules may match in a text, or begin to at its end: one search for each question, and mostly the answer is no.

    What it lets pass has to be looked at by the rules themselves: conditions on the characters around a match are left out.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._whole = _compile("|".join(f"(?:{e.whole})" for e in expressions).encode(), (), TOGETHER)
        self._open = _compile(("(?:" + "|".join(f"(?:{e.prefixes})" for e in expressions) + ")\\z").encode(), (), TOGETHER)

    def matches(self, text: bytes) -> bool:
        """`text` is UTF-8."""
        return self._whole.search(text) is not None

    def begins(self, text: bytes) -> bool:
        """Whether one begins at the end, or ends there."""
        return self._open.search(text) is not None


def _anchored(expression: Expression, rules: Sequence[Rule]) -> Any:
    compiled = _compile(f"({expression.whole}){_behind(expression)}", rules)
    if (empty := compiled.match("")) is not None and empty.end() == 0:
        raise ConfigError(f"the pattern '{rules[0].pattern[:60]}' {EMPTY}")
    return compiled


def _behind(expression: Expression) -> str:
    if expression.behind is None:
        return ""
    return expression.behind if expression.behind_needed else f"(?:{expression.behind}|\\z)"


def _candidates(expressions: Sequence[Expression]) -> str:
    """Where a match may begin; where any of them has a condition on the character before, all are read together with that character."""
    before = any(e.before is not None for e in expressions)
    return "|".join(f"(?:{(e.before or '(?s:.)') if before else ''}(?:{e.whole}){_behind(e)})" for e in expressions)


def _openings(expressions: Sequence[Expression], rules: Sequence[Rule]) -> tuple[Any, Any]:
    """(expression of an opening at the start of a text, of one further on, read with the character before it).

    No groups: RE2 finds the place of a whole match much faster than that of a part.
    """
    first = [e for e in expressions if e.before is None or not e.before_needed]
    starts = "|".join(f"(?:{e.prefixes})" for e in first)
    behind = "|".join(f"{e.before or '(?s:.)'}(?:{e.prefixes})" for e in expressions)
    here = _compile(f"\\A(?:{starts})\\z", rules, TOGETHER) if first else None
    return here, _compile(f"(?:{behind})\\z", rules, TOGETHER) if expressions else None


def _compile(expression: str | bytes, rules: Sequence[Rule], memory: int = MEMORY) -> Any:
    import re2

    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        shown = rules[0].pattern[:60] if len(rules) == 1 else f"{len(rules)} patterns together"
        raise ConfigError(f"the pattern '{shown}' cannot be compiled ({said[:80]}): use smaller counts, or fewer alternatives.") from None
