"""Which keys a store may have: one bit for each of many slots, so that most misses need not ask the store.

A Bloom filter with one hash function: Python's own of the key, which every look-up in memory has computed already. A key that was thrown
out of the store leaves its bit behind: that costs a look-up in vain, never a hit missed. When too many bits are set, the filter
is built anew from the store's keys.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

SLOTS_A_KEY = 32  # when built: one key that is not there in 32 is looked up in vain
SMALLEST = 2**20  # slots: 128 KiB
FULLEST = 8  # built anew when every eighth bit is set


class KeyFilter:
    """Built by one thread, added to and asked by others. Until it is built it may have every key."""

    def __init__(self) -> None:
        self._table: tuple[bytearray, int] | None = None  # the bits, and the mask that makes a number a slot
        self._building: tuple[bytearray, int] | None = None
        self._ones = 0
        self._lock = threading.Lock()  # setting a bit is reading and writing a byte

    def may_have(self, key: bytes) -> bool:
        table = self._table
        if table is None:
            return True
        bits, mask = table
        slot = hash(key) & mask
        return bits[slot >> 3] & (1 << (slot & 7)) != 0

    def add(self, key: bytes) -> None:
        number = hash(key)
        with self._lock:
            if self._table is not None:
                self._ones += _set(self._table, number)
            if self._building is not None:
                _set(self._building, number)

    @property
    def crowded(self) -> bool:
        return self._table is not None and self._ones * FULLEST > self._table[1]

    def begin(self, keys: int, on_the_way: Iterable[bytes]) -> None:
        """Begin to build for `keys` keys; in it is what is added from now on, and `on_the_way`: put, but not in the store yet."""
        slots = SMALLEST
        while slots < keys * SLOTS_A_KEY:
            slots *= 2
        with self._lock:
            self._building = (bytearray(slots // 8), slots - 1)
        for key in list(on_the_way):
            self.load(key)

    def load(self, key: bytes) -> None:
        """One of the keys that the store has had since before `begin`."""
        building = self._building
        assert building is not None
        number = hash(key)
        with self._lock:
            _set(building, number)

    def finish(self) -> None:
        with self._lock:
            self._table, self._building = self._building, None
            assert self._table is not None
            self._ones = int.from_bytes(self._table[0], "little").bit_count()

    def forget(self) -> None:
        """May have every key, until it is built again."""
        with self._lock:
            self._table = self._building = None
            self._ones = 0


def _set(table: tuple[bytearray, int], number: int) -> bool:
    """Whether the bit was not set before."""
    slot = number & table[1]
    byte, bit = slot >> 3, 1 << (slot & 7)
    before = table[0][byte]
    table[0][byte] = before | bit
    return not before & bit
