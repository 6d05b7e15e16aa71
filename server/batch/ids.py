"""Which custom_ids come twice in a file of any length.

An id is kept as 128 bits of a keyed BLAKE2b and its line, 24 bytes, in one of 256 buckets. A bucket that has grown goes to a temporary
file, so memory does not grow with the file; at the end each bucket is looked through by itself. Two ids with the same 128 bits do not
occur (10^9 lines: 1 in 10^21), and the key is drawn anew each time, so nobody can prepare them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct

from server.errors import DiskFull

BUCKETS = 256
HASH = 16  # bytes
BUCKET = 64 * 1024  # bytes of one bucket in memory: 16 MiB together, 700,000 lines before the first file
_record = Struct(f"<{HASH}sQ")


class Ids:
    """To be closed, for its temporary files."""

    def __init__(self, *, bucket: int = BUCKET, folder: Path | None = None, key: bytes | None = None) -> None:
        self.bucket = bucket
        self.parent = folder
        self.key = os.urandom(16) if key is None else key
        self.buffers = [bytearray() for _ in range(BUCKETS)]
        self.spilled: set[int] = set()
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, id: str, number: int, *, bad: bool = False) -> None:
        """`bad`: the line is wrong in itself, so that it is not named again where its id is the second."""
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

    def _path(self, which: int) -> str:
        if self.folder is None:
            self.folder = tempfile.TemporaryDirectory(prefix="sllm-batch-", dir=self.parent)
        return os.path.join(self.folder.name, f"{which:02x}")

    def _spill(self, which: int) -> None:
        try:
            with open(self._path(which), "ab") as file:
                file.write(self.buffers[which])
        except OSError as error:
            where = self.parent or tempfile.gettempdir()
            raise DiskFull(f"{where} cannot take the check of custom_ids ({error.strerror}): make room, or set TMPDIR.") from None
        self.spilled.add(which)
        self.buffers[which].clear()

    def _read(self, which: int) -> bytes:
        if which not in self.spilled:
            return bytes(self.buffers[which])
        with open(self._path(which), "rb") as file:
            return file.read() + self.buffers[which]

    def close(self) -> None:
        if self.folder is not None:
            self.folder.cleanup()
