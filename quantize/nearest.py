"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name in `known` closest to `word`, or None when none is close. Case, dashes and underscores do not count."""
    names = {_plain(name): name for name in known}
    found = difflib.get_close_matches(_plain(word), list(names), n=1, cutoff=0.55)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the known names where none is close."""
    names = list(known)
    near = nearest(word, names)
    return f"did you mean '{near}'?" if near else f"known: {', '.join(names) or 'none'}"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
