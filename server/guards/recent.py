"""What was judged lately: a text that comes again is not judged again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """By a digest of the texts, so that no text is kept; the oldest goes first."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def get(self, *texts: str) -> T | None:
        key = digest(*texts)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, value: T, *texts: str) -> None:
        self._kept[digest(*texts)] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


def digest(*texts: str) -> bytes:
    """16 bytes; texts with another boundary between them have another digest."""
    hashed = hashlib.blake2b(digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.digest()
