"""Regular expressions as RE2 reads them, and the expression of all that a match may begin with.

A pattern is written as for Python's `re`, and read by its parser. Out of the tree two expressions are made for RE2, whose
time is linear in the text (https://github.com/google/re2):

- the pattern itself;
- its *prefixes*: what a text may end with that more text could turn into a match. With P(x) for the prefixes of x, the whole
  included:  P(c) = c,  P(ab) = P(a) | a P(b),  P(a|b) = P(a) | P(b),  P(a{n,m}) = a{0,m-1} P(a).  It is about twice as long.

A condition on one character before or behind the match, (?<!\\d) or (?!\\d), is allowed at either end of the pattern: RE2 has
none, but the character can be read with it. What needs backtracking (back-references, other look-around) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from server.errors import ConfigError
from server.guards.normal import normalise

MOST_REPEATS = 1000  # RE2's own limit for one count
ENDLESS = 1 << 30
EMPTY = "matches the empty text, which is everywhere: ask for one character at least."
Ranges = tuple[tuple[int, int], ...]
# Letters, marks and figures by blocks: the exact classes are 700 ranges, which a count multiplies until RE2's automaton has no room.
_WORD: Ranges = (
    (0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0xAA, 0xAA), (0xB5, 0xB5), (0xBA, 0xBA), (0xC0, 0xD6), (0xD8, 0xF6),
    (0xF8, 0x2C1), (0x300, 0x374), (0x376, 0x37D), (0x386, 0x386), (0x388, 0x1FFF), (0x2C00, 0x2DFF), (0x3005, 0x3007),
    (0x3021, 0x3035), (0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xD7FF), (0xF900, 0xFDFF),
    (0xFE70, 0xFEFC), (0x10000, 0x1EFFF), (0x20000, 0x3FFFF),
)  # fmt: skip
_DIGIT: Ranges = ((0x30, 0x39),)  # the normaliser leaves no others, and of spaces these
_SPACE: Ranges = ((0x09, 0x0D), (0x1C, 0x20))


def _others(ranges: Ranges) -> Ranges:
    edges = [-1, *(edge for low, high in ranges for edge in (low, high)), 0x110000]
    return tuple((low + 1, high - 1) for low, high in zip(edges[::2], edges[1::2], strict=True) if low + 1 < high)


def _written(ranges: Ranges) -> str:
    return "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in ranges)


_CLASS = {
    sre.CATEGORY_DIGIT: _written(_DIGIT),
    sre.CATEGORY_NOT_DIGIT: _written(_others(_DIGIT)),
    sre.CATEGORY_SPACE: _written(_SPACE),
    sre.CATEGORY_NOT_SPACE: _written(_others(_SPACE)),
    sre.CATEGORY_WORD: _written(_WORD),
    sre.CATEGORY_NOT_WORD: _written(_others(_WORD)),
}
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
_LOOKS = (sre.ASSERT, sre.ASSERT_NOT)


class Refused(Exception):
    """The pattern has something that takes more than linear time; the message names it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`before` and `behind`: classes that the neighbouring character must be in (the text's end counts as one), or None."""

    whole: str
    prefixes: str
    before: str | None
    behind: str | None
    before_needed: bool  # the text's start does not do
    behind_needed: bool
    longest: int  # characters; ENDLESS


def read(pattern: str, ignore_case: bool = False) -> Expression:
    """Raises ConfigError."""
    try:
        tree = parser.parse(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError) as error:
        raise ConfigError(f"the pattern {_shown(pattern)} is no regular expression: {error}.") from None
    except RecursionError:
        raise ConfigError(f"the pattern {_shown(pattern)} is nested too deeply.") from None
    items = list(tree)
    try:
        flags = tree.state.flags
        before, before_needed = _condition(items, 0, -1, flags)
        behind, behind_needed = _condition(items, -1, 1, flags)
        writer = _Writer(flags)
        whole, prefixes = writer.sequence(items), writer.prefixes(items)
    except Refused as refused:
        raise ConfigError(f"the pattern {_shown(pattern)} has {refused}, which is not read in linear time: write it without.") from None
    except RecursionError:
        raise ConfigError(f"the pattern {_shown(pattern)} is nested too deeply.") from None
    if not prefixes or tree.getwidth()[0] == 0:
        raise ConfigError(f"the pattern {_shown(pattern)} {EMPTY}")
    fold = "(?i)" if flags & re.IGNORECASE else ""
    width = tree.getwidth()[1]
    longest = ENDLESS if width >= sre.MAXREPEAT or width > ENDLESS else int(width)
    return Expression(f"{fold}{whole}", f"{fold}{prefixes}", before, behind, before_needed, behind_needed, longest)


def _condition(items: list[Any], at: int, direction: int, flags: int) -> tuple[str | None, bool]:
    """Take the look-around at one end of `items` off. Gives (the class that the neighbour must be in, whether there must be one)."""
    if not items or items[at][0] not in _LOOKS or items[at][1][0] != direction:
        return None, False
    op, (_, inner) = items[at]
    if len(inner) != 1 or inner[0][0] not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN):
        raise Refused("a look-around of more than one character")
    del items[at]
    wanted = _Writer(flags).one(inner[0])
    fold = "(?i)" if flags & re.IGNORECASE else ""
    if op is sre.ASSERT:
        return f"(?:{fold}{wanted})", True
    other = "[" + wanted[2:] if wanted.startswith("[^") else "[^" + wanted[1:]
    return f"(?:{fold}{other})", False


class _Writer:
    def __init__(self, flags: int) -> None:
        self.flags = flags

    def sequence(self, items: Any) -> str:
        return "".join(map(self._item, _spelled(items)))

    def _item(self, item: Any) -> str:
        op, value = item
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            return self.one(item)
        if op in _REPEATS:
            low, high, inner = value
            lazy = "?" if op is sre.MIN_REPEAT else ""
            return f"(?:{self.sequence(inner)}){_count(low, high)}{lazy}"
        if op is sre.SUBPATTERN:
            _, add, remove, inner = value
            return f"(?:{self._inside(add, remove).sequence(inner)})"
        if op is sre.BRANCH:
            return "(?:" + "|".join(self.sequence(branch) for branch in value[1]) + ")"
        if op is sre.AT:
            return self._at(value)
        raise Refused(_name(op))

    def prefixes(self, items: Any) -> str:
        """P(items); "" where the items are no characters."""
        return self._halves(_spelled(items))

    def _halves(self, items: list[Any]) -> str:
        """By halves, so that a long pattern is not nested as deeply as it is long."""
        if len(items) < 2:
            return self._prefixes_of(items[0]) if items else ""
        first, second = items[: len(items) // 2], items[len(items) // 2 :]
        own, rest = self._halves(first), self._halves(second)
        behind = "".join(map(self._item, first)) + rest if rest else ""
        return "(?:" + "|".join(filter(None, (behind, own))) + ")" if own or behind else ""

    def _prefixes_of(self, item: Any) -> str:
        op, value = item
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            return self.one(item)
        if op in _REPEATS:
            _, high, inner = value
            own = self.prefixes(inner)
            if high == 0 or not own:
                return ""
            before = "*" if high >= sre.MAXREPEAT else f"{{0,{high - 1}}}"
            return own if high == 1 else f"(?:{self.sequence(inner)}){before}{own}"
        if op is sre.SUBPATTERN:
            _, add, remove, inner = value
            return self._inside(add, remove).prefixes(inner)
        if op is sre.BRANCH:
            branches = [found for found in (self.prefixes(branch) for branch in value[1]) if found]
            return "(?:" + "|".join(branches) + ")" if branches else ""
        if op is sre.AT:
            return ""
        raise Refused(_name(op))

    def _inside(self, add: int, remove: int) -> _Writer:
        if (add | remove) & re.IGNORECASE:
            raise Refused("a group with flags of its own")
        return _Writer((self.flags | add) & ~remove)

    def one(self, item: Any) -> str:
        """One character, as a class."""
        op, value = item
        if op is sre.ANY:
            return "(?s:.)" if self.flags & re.DOTALL else r"[^\n]"
        if op is sre.LITERAL:
            return f"[{_char(value)}]"
        if op is sre.NOT_LITERAL:
            return f"[^{_char(value)}]"
        members = list(value)
        negated = bool(members) and members[0][0] is sre.NEGATE
        if negated:
            members = members[1:]
        return f"[{'^' if negated else ''}{''.join(map(_member, members))}]"

    def _at(self, value: Any) -> str:
        if value is sre.AT_BEGINNING:
            return "(?m:^)" if self.flags & re.MULTILINE else r"\A"
        if value is sre.AT_END:
            return "(?m:$)" if self.flags & re.MULTILINE else r"\z"
        found = {sre.AT_BEGINNING_STRING: r"\A", sre.AT_END_STRING: r"\z", sre.AT_BOUNDARY: r"\b", sre.AT_NON_BOUNDARY: r"\B"}.get(value)
        if found is None:
            raise Refused("an anchor that is not known")
        return found


def _spelled(items: Any) -> list[Any]:
    """The items, with runs of literal characters as the normaliser leaves them in the texts that are searched: none, one or more."""
    found: list[Any] = []
    literal = ""
    for item in items:
        if item[0] is sre.LITERAL:
            literal += chr(item[1])
            continue
        found += [(sre.LITERAL, ord(character)) for character in normalise(literal).text]
        literal = ""
        found.append(item)
    return found + [(sre.LITERAL, ord(character)) for character in normalise(literal).text]


def _member(item: Any) -> str:
    kind, value = item
    if kind is sre.LITERAL:
        return _char(value)
    if kind is sre.RANGE:
        return f"{_char(value[0])}-{_char(value[1])}"
    if kind is sre.CATEGORY and value in _CLASS:
        return _CLASS[value]
    raise Refused(f"a class that is not known ({value})")


def _char(code: int) -> str:
    """A character as the normaliser leaves it in the texts that are searched."""
    form = normalise(chr(code)).text
    return r"\x{%x}" % (ord(form) if len(form) == 1 else code)


def _count(low: int, high: int) -> str:
    if low > MOST_REPEATS or (high < sre.MAXREPEAT and high > MOST_REPEATS):
        raise Refused(f"a count above {MOST_REPEATS}")
    if high >= sre.MAXREPEAT:
        return "*" if low == 0 else f"{{{low},}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


def _name(op: Any) -> str:
    if op is sre.GROUPREF or op is sre.GROUPREF_EXISTS:
        return "a back-reference"
    if op in _LOOKS:
        return "a look-around that is not of one character at its start or end"
    return f"{str(op).lower().replace('_', ' ')}"


def _shown(pattern: str) -> str:
    return f"'{pattern[:60]}...'" if len(pattern) > 60 else f"'{pattern}'"
