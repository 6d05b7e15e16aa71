"""Word lists of one language: what means the same, what is opposite, what carries no content. The lists are text files in ../data.

A file has sections: [same] (a line of words or phrases that are interchangeable in a question), [opposite] (two such lists with |
between), [light] (general words that one question may have without the other), [generic] (words that carry no content), [function]
(grammar), [negation]. A word may stand in several lines.
An opposite holds for the whole line of [same] whose first word it names: "remove" opposes "add", and so does "get rid of".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"

Phrase = tuple[str, ...]
Pole = tuple[int, int]


@dataclass(frozen=True)
class Lexicon:
    """The keys of all tables are phrases: tuples of normalised words, as `normal` makes them."""

    meanings: dict[Phrase, frozenset[str]]  # the lines of [same] that it stands in
    poles: dict[Phrase, frozenset[Pole]]  # (line of [opposite], side -1 or 1)
    light: frozenset[Phrase]
    generic: frozenset[Phrase]
    function: frozenset[Phrase]
    negation: frozenset[Phrase]

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max((len(phrase) for phrase in self.every), default=1)

    @cached_property
    def every(self) -> frozenset[Phrase]:
        return frozenset([*self.meanings, *self.poles]) | self.light | self.generic | self.function | self.negation


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each [section]; comments and empty lines are left out."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            current = found.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            current.append(line)
    return found


@cache
def lexicon(language: str, normal: Callable[[str], Phrase]) -> Lexicon:
    """The word lists of `language` ("en", "ko"), with `normal` applied to each word or phrase."""
    parts = sections((DATA / f"words.{language}.txt").read_text(encoding="utf-8"))

    def phrases(line: str) -> list[Phrase]:
        return [phrase for word in line.split(",") if (phrase := normal(word.strip()))]

    def flat(name: str) -> frozenset[Phrase]:
        return frozenset(phrase for line in parts.get(name, []) for phrase in phrases(line))

    same = [phrases(line) for line in parts.get("same", [])]
    meanings: dict[Phrase, set[str]] = defaultdict(set)
    for number, line in enumerate(same):
        for phrase in line:
            meanings[phrase].add(f"={number}")
    opposite = [[phrases(words) for words in line.split("|")] for line in parts.get("opposite", [])]
    poles = _poles(same, opposite)
    return Lexicon(
        {phrase: frozenset(lines) for phrase, lines in meanings.items()},
        poles,
        light=flat("light"),
        generic=flat("generic"),
        function=flat("function"),
        negation=flat("negation"),
    )


def _poles(same: list[list[Phrase]], opposite: Iterable[list[list[Phrase]]]) -> dict[Phrase, frozenset[Pole]]:
    poles: dict[Phrase, set[Pole]] = defaultdict(set)
    for axis, sides in enumerate(opposite):
        for side, words in zip((-1, 1), sides, strict=True):
            for phrase in [*words, *(p for line in same if line[0] in words for p in line)]:
                poles[phrase].add((axis, side))
    # a word that a line of [same] puts on both sides of an axis says nothing about it
    return {p: frozenset(found) for p, all_ in poles.items() if (found := {(a, s) for a, s in all_ if (a, -s) not in all_})}
