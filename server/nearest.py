"""The name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name in `known` closest to `word`, or None when none is close."""
    from rapidfuzz import fuzz, process, utils

    found = process.extractOne(word, list(known), scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=55)
    return str(found[0]) if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the known names where none is close."""
    names = list(known)
    near = nearest(word, names)
    return f"did you mean '{near}'?" if near else f"known: {', '.join(names) or 'none'}"
