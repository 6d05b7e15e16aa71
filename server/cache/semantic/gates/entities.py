"""Names must be the same: capitalised words inside a sentence, acronyms, Latin names in Korean, quoted words, addresses of web and mail."""

# ruff: noqa: SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
from functools import lru_cache

from server.cache.semantic.gates.english import expand, stem, words_of_english
from server.cache.semantic.gates.korean import words_of_korean
from server.cache.semantic.gates.moments import MONTHS, SHORT, WEEKDAYS
from server.cache.semantic.gates.quantities import UNITS
from server.cache.semantic.gates.reading import QUOTED, read

ADDRESS = re.compile(
    r"https?://\S+|\b[\w.+-]+@[\w-]+\.[\w.]+|\b(?:www\.)?[\w-]+\.(?:com|org|net|io|kr|co\.kr|dev|ai|gov|edu)\b(?:/\S*)?", re.IGNORECASE
)
CAPITALISED = re.compile(r"(?<![.!?:]\s)(?<!^)(?<!\n)\b[A-Z][\w'-]*(?:\s+(?:of\s+)?[A-Z][\w'-]*)*")
ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]+s?\b")
LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_+#-]*(?:\.[A-Za-z0-9_]+)*")
DATES = frozenset((*MONTHS, *SHORT, *WEEKDAYS))  # the dates' own gate compares them
COMMON = frozenset("I I'm I'd I've I'll OK AM PM A".split())


def entities(a: str, b: str) -> str | None:
    """Objects when a name of one is nowhere in the other, in whatever case it is written there."""
    for one, other in ((a, b), (b, a)):
        words = _words(other)
        for name in sorted(names(one)):
            if name.isdisjoint(words):
                return f"{min(name, key=len)} is only in one of them"
    if only := {words for words in _quoted(a) ^ _quoted(b) if not all(words in " ".join(text.casefold().split()) for text in (a, b))}:
        return f"quoted words differ: {', '.join(sorted(only))[:80]}"
    return None


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[frozenset[str]]:
    """The names in a text, each as the set of the forms that count as the same: its stem and its lines of the word lists."""
    raw = ADDRESS.sub(" ", QUOTED.sub(" ", read(text).raw))
    found: set[str] = set()
    if read(text).language == "ko":
        found |= set(LATIN.findall(raw))
    else:
        shouting = raw.upper() == raw
        if not shouting:
            found |= {word for match in CAPITALISED.findall(expand(raw)) for word in match.split()}
            found |= set(ACRONYM.findall(raw))
    forms = {
        _forms(word.strip("'.-"), read(text).language == "ko")
        for word in found
        if word not in COMMON and word.casefold() not in UNITS and word.casefold() not in DATES
    }
    forms |= {frozenset({match.casefold().rstrip(".,?!)")}) for match in ADDRESS.findall(read(text).raw)}
    return frozenset(form for form in forms if form)


def _forms(word: str, korean: bool) -> frozenset[str]:
    folded = stem(word.casefold())
    if korean and (lines := words_of_korean().meanings.get((folded,))):
        return frozenset({folded}) | lines
    lists = words_of_english()
    if (folded,) in lists.function or (folded,) in lists.generic or (folded,) in lists.negation:
        return frozenset()  # a sentence's own words, written large
    lines = lists.meanings.get((folded,), frozenset())
    return frozenset({folded}) | ({f"en{line}" for line in lines} if korean else lines)


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    reading = read(text)
    meanings = frozenset().union(*(unit.meanings for unit in reading.units)) if reading.units else frozenset()
    pieces = {stem(word.casefold().strip("'.,?!")) for word in re.findall(r"[A-Za-z][A-Za-z0-9_+#'-]*(?:\.[A-Za-z0-9_]+)*", reading.raw)}
    addresses = {match.casefold().rstrip(".,?!)") for match in ADDRESS.findall(reading.raw)}
    return meanings | pieces | addresses | {f for piece in pieces for f in _forms(piece, reading.language == "ko")}


def _quoted(text: str) -> frozenset[str]:
    return frozenset(" ".join(quote.casefold().split()) for quote in read(text).quoted)
