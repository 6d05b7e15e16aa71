"""What an engine said about every position of the texts: the logprob of the token that stands there, and the likeliest tokens.

Kept as little-endian numbers, compressed, in base64: `array('f', zlib.decompress(base64.b64decode(...)))` reads them back.
Logprobs are the engine's own float32 values, unrounded.
"""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

NOBODY = -1  # in place of a token id where the engine listed fewer
COMPARED = 20  # most likely tokens of the baseline whose probabilities are compared


class Positions(BaseModel):
    """`texts` is the number of positions of each text; every position has `width` places in `ids` and `logprobs`.

    The first token of a text has nothing before it and is no position. `packed_*` are int32 and float32 (see above):
    the tokens that stand there and their logprobs (n), the listed tokens and theirs (n x width, by falling logprob;
    natural logarithms).
    """

    model_config = ConfigDict(frozen=True)

    texts: tuple[int, ...]
    width: int
    packed_tokens: str
    packed_actual: str
    packed_ids: str
    packed_logprobs: str

    @classmethod
    def build(
        cls,
        texts: Sequence[int],
        tokens: Iterable[int],
        actual: Iterable[float],
        listed: Iterable[Sequence[tuple[int, float]]],
        width: int,
    ) -> Positions:
        """From one entry a position; `listed` holds at most `width` (token id, logprob) pairs by falling logprob."""
        ids, logprobs = array("i"), array("f")
        for pairs in listed:
            filled = [*pairs, *[(NOBODY, 0.0)] * (width - len(pairs))]
            ids.extend(token for token, _ in filled)
            logprobs.extend(logprob for _, logprob in filled)
        return cls(
            texts=tuple(texts),
            width=width,
            packed_tokens=pack("i", tokens),
            packed_actual=pack("f", actual),
            packed_ids=pack("i", ids),
            packed_logprobs=pack("f", logprobs),
        )

    @cached_property
    def tokens(self) -> array[int]:
        return unpack("i", self.packed_tokens)

    @cached_property
    def actual(self) -> array[float]:
        return unpack("f", self.packed_actual)

    @cached_property
    def _ids(self) -> array[int]:
        return unpack("i", self.packed_ids)

    @cached_property
    def _logprobs(self) -> array[float]:
        return unpack("f", self.packed_logprobs)

    def __len__(self) -> int:
        return sum(self.texts)

    def listed(self, position: int) -> list[tuple[int, float]]:
        """(token id, logprob) of the tokens listed there, as many as the engine gave."""
        places = slice(position * self.width, (position + 1) * self.width)
        return [pair for pair in zip(self._ids[places], self._logprobs[places], strict=True) if pair[0] != NOBODY]

    def same_texts(self, other: Positions) -> bool:
        """Whether both are about the same tokens: the same texts, cut the same, by the same tokenizer."""
        return self.texts == other.texts and self.tokens == other.tokens

    def needed_beside(self, baseline: Positions) -> Positions:
        """What a comparison with `baseline` reads, and no more: each position's likeliest token and the baseline's first 20."""

        def kept() -> Iterator[list[tuple[int, float]]]:
            for position in range(len(self)):
                wanted = {token for token, _ in baseline.listed(position)[:COMPARED]}
                yield [pair for number, pair in enumerate(self.listed(position)) if number == 0 or pair[0] in wanted]

        return Positions.build(self.texts, self.tokens, self.actual, kept(), min(self.width, COMPARED + 1))


def pack(kind: str, numbers: Iterable[Any]) -> str:
    """int32 ("i") or float32 ("f") numbers, little-endian, zlib, base64."""
    packed = array(kind, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode()


def unpack(kind: str, text: str) -> array[Any]:
    """The numbers that `pack` was given."""
    numbers = array(kind, zlib.decompress(base64.b64decode(text)))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
