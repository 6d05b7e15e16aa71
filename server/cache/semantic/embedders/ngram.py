"""Hashed n-grams over letters and jamo: no model, nothing to download.

Sees spelling, not meaning: it finds the same words in another order, other endings and typing errors. Enough for
tests and for shadow mode; for paraphrases take a real model.

Hangul syllables are taken apart into jamo (Unicode NFKD), so that a particle or an ending changes a few of a word's
n-grams instead of most: the syllables of 먹다 and 먹었다 share little, their jamo much. Features are hashed with a sign
(Weinberger et al., https://arxiv.org/abs/0902.2206), counts are damped by a square root.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from server.cache.semantic.embedders.base import EmbedderDown, Vector, numpy, unit

DIMENSIONS = 512
_WORDS = re.compile(r"[^\W_]+")
_GRAMS = (3, 4, 5)


class NGram:
    name = f"ngram-1-{DIMENSIONS}"
    deadline = 0.05

    async def open(self) -> None:
        numpy()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text; about 0.2 ms each. Raises EmbedderDown for a text without a letter or digit."""
        return [embed(text) for text in texts]

    async def close(self) -> None:
        pass


def embed(text: str) -> Vector:
    np = numpy()
    counts = Counter(features(text))
    if not counts:
        raise EmbedderDown("no letter or digit in the text")
    vector = np.zeros(DIMENSIONS, np.float32)
    for feature, count in counts.items():
        digest = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
        vector[(digest >> 1) % DIMENSIONS] += count**0.5 if digest & 1 else -(count**0.5)
    return unit(vector)


def features(text: str) -> list[str]:
    """Words, pairs of neighbouring words, and n-grams of letters inside words with their ends marked."""
    words = _WORDS.findall(unicodedata.normalize("NFKD", text.casefold()))
    found = [f"w:{word}" for word in words]
    found += [f"p:{a} {b}" for a, b in pairwise(words)]
    for word in words:
        marked = f"^{word}$"
        found += [marked[i : i + n] for n in _GRAMS for i in range(len(marked) - n + 1)]
    return found
