"""A text in pieces of about a word, for answers that are typed."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s*\S{1,8}|\s+")


def pieces(text: str) -> list[str]:
    """`text` cut after words; longer words, and scripts without spaces, after eight characters."""
    return _PIECE.findall(text)
