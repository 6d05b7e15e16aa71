"""A small linear model over words and n-grams of letters and jamo: logistic regression, no library needed.

It sees wording, not meaning, but through disguises: zero-width characters, look-alikes, full width, s p a c e d and l33t
letters. A text of more than WINDOW characters is read in windows of sentences. The weights that ship were fitted by
server/guards/data/train_injection.py.
"""

from __future__ import annotations

import base64
import json
import math
import re
import unicodedata
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from server.guards.sentences import split
from server.guards.view import View

WIDTH = 1 << 14  # features; a feature's place is its hash
WINDOW = 300  # characters
SHARP = 10.0  # the vector of a text has this length
GRAMS = (3, 4, 5)
SHIPPED = {"injection": Path(__file__).parent / "data" / "injection.weights.json"}

_WORD = re.compile(r"[^\W_]+")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_] ){2,}[^\W_](?![^\W_])")
_LEET = str.maketrans("0134578", "oieastb")


class Linear:
    """`labels`: the harmless one and the other. One number comes out: the logit of the other."""

    def __init__(self, file: Path) -> None:
        data = json.loads(file.read_text(encoding="utf-8"))
        self.labels: list[str] = data["labels"]
        self.bias: float = data["bias"]
        self.scale: float = data["scale"]
        self.weights = [byte - 256 if byte > 127 else byte for byte in base64.b64decode(data["weights"])]

    def logits(self, text: str) -> list[float]:
        """For the harmless label 0, for the other its logit."""
        found = places(text)
        if not found:
            return [0.0, -20.0]
        total = sum(self.weights[place] for place in found) * self.scale
        return [0.0, total * SHARP / math.sqrt(len(found)) + self.bias]


def windows(text: str) -> list[str]:
    """The text; a long one as windows of whole sentences, each with the last of the one before."""
    if len(text) <= WINDOW:
        return [text]
    found: list[str] = []
    window: list[str] = []
    for sentence in split(text):
        if window and sum(map(len, window)) + len(sentence) > WINDOW:
            found.append("".join(window))
            window = window[-1:] if len(window[-1]) + len(sentence) <= WINDOW else []
        window.append(sentence)
    return [*found, "".join(window)]


def places(text: str) -> set[int]:
    """Where the text's features are, below WIDTH."""
    return {zlib.crc32(feature.encode("utf-8", "replace")) % WIDTH for feature in features(text)}


def features(text: str) -> Iterator[str]:
    """Words, neighbouring words, and n-grams of letters inside words with their ends marked."""
    plain = _SPACED.sub(lambda run: run.group().replace(" ", ""), View(text).plain.text)
    words = [_read(word) for word in _WORD.findall(unicodedata.normalize("NFKD", plain.casefold()))]
    for word in words:
        yield f"w:{word}"
        marked = f"^{word}$"
        for size in GRAMS:
            yield from (marked[start : start + size] for start in range(len(marked) - size + 1))
    yield from (f"p:{a} {b}" for a, b in pairwise(words))


def _read(word: str) -> str:
    """Figures inside a word of letters are letters: 1gn0r3."""
    if word.isascii() and not word.isalpha() and any(map(str.isalpha, word)):
        return word.translate(_LEET)
    return word
