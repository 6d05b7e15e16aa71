"""The nearest questions of one shelf, in memory: a sketch of signs in front, the vectors behind.

A question's sketch is 384 bits: the signs of its vector's products with 384 random directions (SimHash: Charikar,
https://doi.org/10.1145/509907.509965), taken after the mean of the first vectors is subtracted, since many models put
all texts into one corner (e5: every pair above 0.7). Two vectors at an angle a differ in a share a/pi of the bits.
A look-up counts differing bits for all questions, 48 bytes each instead of 1,536, and computes the true similarity
for the nearest few hundred: 0.4 ms of 100,000 on one core, where the whole product takes 5 to 25 ms, and a graph
(usearch) takes 0.5 ms but needs 0.15 ms for every question added and a quarter of a minute to be built after a restart.
What the sketch overlooks is a miss; a similarity that it returns is computed from the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from server.cache.semantic.embedders.base import Vector, numpy

BITS = 384
FAR = 150  # differing bits from which a question is not looked at: vectors that are unrelated differ in 192 +- 10
MOST = 512  # questions whose similarity is computed
RECENTRED = (64, 512)  # sizes at which the mean is taken anew, and all sketches with it


class Index:
    """Vectors of length 1 by their key. Similarities are cosines; vectors are kept as float16 (an error below 0.001)."""

    def __init__(self, dimensions: int) -> None:
        np = numpy()
        self.dimensions = dimensions
        self.keys: list[bytes] = []
        self.rows: dict[bytes, int] = {}
        self._vectors = np.empty((8, dimensions), np.float16)
        self._bits = np.empty((BITS // 64, 8), np.uint64)
        self._mean: Any = np.zeros(BITS, np.float32)  # of the products, which are linear

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Sequence[bytes], vectors: Sequence[Vector]) -> None:
        """Put `vectors` in under `keys`; a key that is there gets the new vector. Raises ValueError for other dimensions."""
        np = numpy()
        stacked = np.asarray(vectors, np.float32)
        if stacked.shape != (len(keys), self.dimensions):
            raise ValueError(f"vectors of shape {stacked.shape}, not ({len(keys)}, {self.dimensions})")
        before = len(self.keys)
        places = [self._place(key) for key in keys]
        self._vectors[places] = stacked
        due = [size for size in RECENTRED if before < size <= len(self.keys)]
        if due:
            self._recentre()
        else:
            self._bits[:, places] = self._sketch(stacked).T

    def remove(self, key: bytes) -> None:
        """Forget `key`, if it is there."""
        row = self.rows.pop(key, None)
        if row is None:
            return
        last = self.keys.pop()
        if last != key:  # the last one takes its place
            end = len(self.keys)
            self.keys[row] = last
            self.rows[last] = row
            self._vectors[row] = self._vectors[end]
            self._bits[:, row] = self._bits[:, end]

    def nearest(self, vector: Vector, floor: float, count: int) -> list[tuple[float, bytes]]:
        """Up to `count` (similarity, key) at or above `floor`, the nearest first."""
        np = numpy()
        size = len(self.keys)
        if not size or vector.shape != (self.dimensions,):
            return []
        if size <= MOST:
            near = np.arange(size)
        else:
            sketch = self._sketch(vector[None])[0]
            differing = np.bitwise_count(self._bits[0, :size] ^ sketch[0]).astype(np.uint16)
            for word in range(1, len(sketch)):
                differing += np.bitwise_count(self._bits[word, :size] ^ sketch[word])
            near = np.flatnonzero(differing < FAR)
            if len(near) > MOST:
                near = near[np.argpartition(differing[near], MOST)[:MOST]]
        similar = self._vectors[near].astype(np.float32) @ vector
        best = [i for i in np.argsort(-similar, kind="stable")[:count].tolist() if similar[i] >= floor]
        return [(min(float(similar[i]), 1.0), self.keys[int(near[i])]) for i in best]

    def vector(self, key: bytes) -> Vector:
        """The vector under `key`. Raises KeyError."""
        row: Vector = self._vectors[self.rows[key]]
        return row

    def _place(self, key: bytes) -> int:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            if row == len(self._vectors):
                self._grow()
        return row

    def _grow(self) -> None:
        np = numpy()
        room = 2 * len(self._vectors)
        for name, axis in (("_vectors", 0), ("_bits", 1)):
            old = getattr(self, name)
            shape = list(old.shape)
            shape[axis] = room
            new = np.empty(shape, old.dtype)
            new[tuple(slice(0, n) for n in old.shape)] = old
            setattr(self, name, new)

    def _recentre(self) -> None:
        np = numpy()
        size = len(self.keys)
        products = self._vectors[:size].astype(np.float32) @ _directions(self.dimensions)
        self._mean = products.mean(axis=0)
        self._bits[:, :size] = np.packbits(products > self._mean, axis=1).view(np.uint64).T

    def _sketch(self, vectors: Any) -> Any:
        np = numpy()
        return np.packbits(vectors @ _directions(self.dimensions) > self._mean, axis=1).view(np.uint64)


@lru_cache(maxsize=8)
def _directions(dimensions: int) -> Any:
    np = numpy()
    return np.random.default_rng(0).standard_normal((dimensions, BITS), np.float32)
