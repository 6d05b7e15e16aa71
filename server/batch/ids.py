"""Which custom_ids come twice in a file of any length.

An id is kept as 128 bits of a keyed BLAKE2b and its line, 24 bytes, in one of 256 buckets. A bucket that has grown goes to a temporary
file without a name, so memory does not grow with the input, and nothing is left behind; at the end each bucket is looked through by
itself. Two ids with the same 128 bits do not occur (10^9 lines: 1 in 10^21), and the key is drawn anew each time, so nobody can
prepare them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import IO

from server.errors import DiskFull

BUCKETS = 256
HASH = 16  # bytes
BUCKET = 64 * 1024  # bytes of one bucket in memory: 16 MiB together, 700,000 lines before the first goes to the file
_record = Struct(f"<{HASH}sQ")


class Ids:
    """To be closed, for its temporary file, which is made in `folder` (None: where temporary files go)."""

    def __init__(self, *, bucket: int = BUCKET, folder: Path | None = None, key: bytes | None = None) -> None:
        self.bucket = bucket
        self.folder = folder
        self.key = os.urandom(16) if key is None else key
        self.buffers = [bytearray() for _ in range(BUCKETS)]
        self.pieces: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]  # (place, bytes) in the file
        self.file: IO[bytes] | None = None

    def add(self, id: str, number: int, *, bad: bool = False) -> None:
        """`bad`: the line is wrong in itself, so that it is not named again where its id is the second. Raises DiskFull."""
        digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=HASH, key=self.key).digest()
        which = digest[0]
        buffer = self.buffers[which]
        buffer += _record.pack(digest, number << 1 | bad)
        if len(buffer) >= self.bucket:
            self._spill(which)

    def twice(self) -> Iterator[tuple[int, int]]:
        """(line, the line that had its id first), in no order."""
        for which in range(BUCKETS):
            first: dict[bytes, int] = {}
            for digest, value in _record.iter_unpack(self._read(which)):
                had = first.setdefault(digest, value >> 1)
                if had != value >> 1 and not value & 1:
                    yield value >> 1, had

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _spill(self, which: int) -> None:
        buffer = self.buffers[which]
        try:
            if self.file is None:
                self.file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115
            place = self.file.seek(0, os.SEEK_END)
            if self.file.write(buffer) < len(buffer):
                raise OSError(0, "no space left")
        except OSError as error:
            where = self.folder or tempfile.gettempdir()
            raise DiskFull(f"{where} cannot take the check of custom_ids ({error.strerror}): make room, or set TMPDIR.") from None
        self.pieces[which].append((place, len(buffer)))
        buffer.clear()

    def _read(self, which: int) -> bytes:
        found = bytearray()
        for place, length in self.pieces[which]:
            assert self.file is not None
            self.file.seek(place)
            found += self.file.read(length)
        return bytes(found + self.buffers[which])
