"""Regular expressions and words, seen through disguises. How words are found is said in words.py.

\\b in an expression is a boundary of ASCII words, so `\\bkey\\b` finds `key를` too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from server.errors import ConfigError
from server.guards.base import Side, Tools
from server.guards.linear import Rule, Rules
from server.guards.normal import normalise
from server.guards.ruled import Ruled
from server.guards.words import Several, Words
from server.guardsettings import Pattern

MOST_WORDS = 20_000


def make(settings: Pattern, side: Side, tools: Tools) -> Ruled:
    """Raises ConfigError."""
    words = set(_words(settings))
    if len(words) > MOST_WORDS:
        raise ConfigError(f"guard '{settings.label}' has {len(words)} words: {MOST_WORDS} at most.")
    rules = [Rule(pattern, "pattern", settings.ignore_case) for pattern in settings.patterns]
    try:
        patterns = Rules(rules, settings.longest)
    except ConfigError as error:
        raise ConfigError(f"guard '{settings.label}': {error.message}") from None
    return Ruled(Several([patterns, Words(words, "word", settings.ignore_case, settings.longest)]), settings.category)


def _words(settings: Pattern) -> Iterator[str]:
    lines = list(settings.words)
    if settings.words_file is not None:
        try:
            read = Path(settings.words_file).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"guard '{settings.label}': words_file {settings.words_file} cannot be read: {said}.") from None
        lines += ["" if line.startswith("#") else line.partition(" #")[0] for line in read]
    for line in lines:
        word = normalise(line).text.strip()
        if word:
            yield word
