"""The questions that may answer for each other, in this worker's memory, and how they are written into the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from server.cache.semantic.embedders.base import Vector, numpy
from server.cache.semantic.index import Index

Observed = dict[int, tuple[int, int]]  # bin of similarity -> (right, wrong)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One question as it is stored: text, vector (float16, little-endian), what was observed of its answer."""

    text: str
    vector: bytes
    observed: list[tuple[int, int, int]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Row).decode


def pack(text: str, vector: Vector, observed: Observed) -> bytes:
    halves: Any = vector.astype("<f2")
    return _encode(Row(text, halves.tobytes(), [(index, *counts) for index, counts in observed.items()]))


def unpack(data: bytes) -> tuple[str, Vector, Observed] | None:
    """None for bytes that are no question."""
    np = numpy()
    try:
        row = _decode(data)
        vector = np.frombuffer(row.vector, "<f2").astype(np.float32)
    except (msgspec.DecodeError, ValueError):
        return None
    if not vector.size or not np.isfinite(vector).all():
        return None
    return row.text, vector, {index: (right, wrong) for index, right, wrong in row.observed}


class Shelf:
    """`cursor`: up to where the store was read."""

    def __init__(self) -> None:
        self.texts: OrderedDict[bytes, str] = OrderedDict()  # oldest first
        self.observed: dict[bytes, Observed] = {}
        self.index: Index | None = None
        self.cursor = 0
        self.loaded = False
        self.looked = 0.0  # when the store was looked at last

    def __len__(self) -> int:
        return len(self.texts)

    def nearest(self, vector: Vector, floor: float, count: int) -> list[tuple[float, bytes]]:
        return self.index.nearest(vector, floor, count) if self.index is not None else []

    def add(self, questions: Iterable[tuple[bytes, str, Vector, Observed]]) -> None:
        """Put questions in; what is there already is replaced. A vector of other dimensions is left out."""
        keys: dict[bytes, Vector] = {}
        for key, text, vector, observed in questions:
            if self.index is None:
                self.index = Index(len(vector))
            if len(vector) != self.index.dimensions:
                continue
            keys[key] = vector
            self.texts[key] = text
            if observed:
                self.observed[key] = observed
        if keys and self.index is not None:
            self.index.add(list(keys), list(keys.values()))

    def remove(self, key: bytes) -> None:
        if self.texts.pop(key, None) is not None:
            self.observed.pop(key, None)
            assert self.index is not None
            self.index.remove(key)

    def oldest(self) -> bytes:
        return next(iter(self.texts))

    def packed(self, key: bytes) -> bytes:
        """The question under `key` as it is stored. Raises KeyError."""
        assert self.index is not None
        return pack(self.texts[key], self.index.vector(key), self.observed.get(key, {}))
