"""An input file: opened, recognised by its first bytes, and known again later."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import InvalidRequest, UsageError

HEAD = 4096  # bytes that say what a file is
BUFFER = 2**20
BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"

See = Callable[[memoryview], object]
_packed = {
    GZIP: ("gzip-compressed", "unpack it with gunzip"),
    b"\x28\xb5\x2f\xfd": ("Zstandard-compressed", "unpack it with unzstd"),
    b"BZh": ("bzip2-compressed", "unpack it with bunzip2"),
    b"\xfd7zXZ\x00": ("xz-compressed", "unpack it with unxz"),
    b"PK\x03\x04": ("a ZIP archive (or an Excel sheet)", "unpack it, or save the sheet as CSV"),
    b"PAR1": ("Parquet", "give it to `sllm batch` as FILE.parquet, or write it as JSON lines"),
}
_wide = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_array = re.compile(rb"\s*\[\s*\{")
_spread = re.compile(rb"\s*\{[ \t]*\r?\n\s*\"")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Tells cheaply whether a file is still the one that was read."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Fingerprint:
        """Raises OSError."""
        return cls.from_stat(os.stat(path))

    @classmethod
    def from_stat(cls, found: os.stat_result) -> Fingerprint:
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)

    def change(self, path: str | os.PathLike[str]) -> str | None:
        """What became of the file since, in words that go after its name; None: nothing."""
        try:
            now = Fingerprint.of(path)
        except FileNotFoundError:
            return "was deleted"
        except OSError as error:
            return f"cannot be read any more ({error.strerror})"
        if now == self:
            return None
        if now.size != self.size:
            return f"was changed: it had {self.size:,} bytes and has {now.size:,} now"
        return "was replaced by another file" if now.inode != self.inode else "was changed"


def opened(path: str | os.PathLike[str], *, unpack: bool = False, see: See | None = None) -> io.BufferedReader:
    """The file for reading; `unpack`: what is in it where it is gzip-compressed. `see` gets the bytes as they come from the disk.

    Raises UsageError where there is none, or none that can be read twice.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "is a folder" if Path(path).is_dir() else "is no ordinary file, and a batch is read more than once"
            raise UsageError(f"{path} {what}: name a file.")
        file: io.BufferedReader = io.BufferedReader(_Seen(path, see), BUFFER)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}: check its name.") from None
    except (OSError, ValueError) as error:  # a name with a zero byte
        raise unreadable(path, error) from None
    if unpack and file.peek(2)[:2] == GZIP:
        return io.BufferedReader(_Unpacked(file), BUFFER)
    return file


class _Seen(io.FileIO):
    def __init__(self, path: str | os.PathLike[str], see: See | None) -> None:
        super().__init__(path)
        self.see = see

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        if self.see is not None:
            self.see(memoryview(buffer)[:count])
        return count


class _Unpacked(io.RawIOBase):
    """What is in a gzip file; closing it closes the file too."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.inner = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.inner.readinto(buffer)

    def close(self) -> None:
        self.inner.close()
        self.file.close()
        super().close()


def unreadable(path: str | os.PathLike[str], error: Exception) -> UsageError:
    """For an OSError, and for what gzip raises."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UsageError(f"{path} cannot be read ({why}): check the file and its permissions.")


def refuse_foreign(head: bytes, *, json: bool = True) -> None:
    """Raise InvalidRequest for a file that is something else than text in UTF-8 as a whole; `head`: its first bytes.

    `json`: the text must be JSON lines.
    """
    wanted = "JSON lines" if json else "text"
    for magic, (what, instead) in _packed.items():
        if head.startswith(magic):
            raise wrong_file(f"The file is {what}, not {wanted}: {instead}.")
    for mark, encoding in _wide.items():
        if head.startswith(mark):
            raise _not_utf8(encoding)
    if b"\x00" in head:
        if guess := _wide_without_mark(head[:64]):
            raise _not_utf8(guess)
        if not head.removeprefix(BOM).lstrip().startswith(b"{"):
            raise wrong_file(f"The file is binary, not {wanted}: write one {'JSON object' if json else 'text'} a line, in UTF-8.")


def refuse_other_json(head: bytes) -> None:
    """Raise InvalidRequest for JSON that is not one object a line."""
    head = head.removeprefix(BOM)
    if _array.match(head):
        raise wrong_file("The file is one JSON array, not JSON lines: write one object a line, e.g. jq -c '.[]' IN.json > IN.jsonl.")
    if _spread.match(head):
        raise wrong_file("The file spreads each JSON object over several lines: write each on one line, e.g. jq -c . IN.json > IN.jsonl.")


def wrong_file(message: str, code: str = "invalid_file") -> InvalidRequest:
    return InvalidRequest(message, code=code)


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 or UTF-32 by the zeros that ASCII characters have there."""
    if len(head) < 4 or not any(head):
        return None
    if not any(head[1::4]) and not any(head[2::4]):
        return "UTF-32"
    return "UTF-16" if not any(head[1::2]) or not any(head[::2]) else None


def _not_utf8(name: str) -> InvalidRequest:
    return wrong_file(f"The file is {name}, not UTF-8: save it as UTF-8, e.g. iconv -f {name} -t UTF-8 IN > OUT.", "invalid_utf8")
