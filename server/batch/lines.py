"""The lines of an OpenAI batch file, and the check of a whole one: one pass, in memory that does not grow with the file.

`scan` gives what is on each line, `read_line` makes a request of it, `check` does both for all lines and finds ids that come twice.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator

from server.batch.base import ENDPOINTS, BadLine, Line
from server.batch.checking import Checked, Known, Survey, changed
from server.batch.request import Limits, not_utf8, read_line, too_long
from server.batch.source import BOM, HEAD, Fingerprint, See, opened, refuse_foreign, refuse_other_json, unreadable, wrong_file

__all__ = ["Checked", "Fingerprint", "Limits", "check", "read_line", "read_lines", "scan"]

PIECE = 2**20  # bytes of a line that is passed over

Path = str | os.PathLike[str]


def scan(
    path: Path, limits: Limits, *, json: bool = True, unpack: bool = False, see: See | None = None
) -> Iterator[tuple[int, bytes | BadLine]]:
    """Each line that is not blank with its number from 1, without its end and the file's BOM.

    A line that is too long or not UTF-8 is a BadLine. `json`: the lines must be JSON; `unpack`: the file may be gzip-compressed.
    `see` gets all bytes of the file in pieces. Raises UsageError for a file that cannot be read, InvalidRequest for one that is no text in
    UTF-8, no JSON lines, or empty.
    """
    with opened(path, unpack=unpack, see=see) as file:
        try:
            head = file.peek(HEAD)[:HEAD]
            refuse_foreign(head, json=json)
            if json:
                refuse_other_json(head)
            number, blank = 0, True
            while raw := file.readline(limits.max_line + 2):  # with \r\n
                number += 1
                ended = raw.endswith(b"\n")
                line = raw.rstrip(b"\r\n") if ended else raw
                if number == 1:
                    line = line.removeprefix(BOM)
                over = len(line) > limits.max_line
                while not ended and (piece := file.readline(PIECE)):
                    over = True
                    ended = piece.endswith(b"\n")
                if over:
                    blank = False
                    yield number, too_long(number, limits)
                elif line and not line.isspace():
                    blank = False
                    yield number, _decoded(line, number)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(path, error) from None
    if blank:
        what = "holds only blank lines" if number else "is empty"
        raise wrong_file(f"The file {what}: write one request a line.", "empty_file")


def read_lines(path: Path, limits: Limits, *, endpoint: str | None = None, see: See | None = None) -> Iterator[Line | BadLine]:
    """The requests of a file, in its order. `endpoint`: the url that each must have; None: any of ENDPOINTS. Raises as `scan`."""
    urls = ENDPOINTS if endpoint is None else (endpoint,)
    for number, raw in scan(path, limits, see=see):
        yield raw if isinstance(raw, BadLine) else read_line(raw, number, limits, urls=urls)


def check(
    path: Path,
    limits: Limits,
    *,
    endpoint: str | None = None,
    known: Known | None = None,
    first: int = 100,
    progress: Callable[[int], object] | None = None,
) -> Checked:
    """Go through the whole file once. `known(model, url)`: whether that is served; None: not asked. `errors` are the first `first`.

    `progress` gets the number of bytes read so far. Raises what `scan` raises, InvalidRequest with code too_many_tasks above
    `limits.max_lines` and file_changed where the file changed meanwhile, DiskFull where a very long file's ids find no room.
    """
    digest, read = hashlib.sha256(), 0

    def see(data: memoryview) -> None:
        nonlocal read
        read += len(data)
        digest.update(data)

    with opened(path) as file:
        before = Fingerprint.from_stat(os.fstat(file.fileno()))
    with Survey(limits, known, first) as survey:
        survey.run(read_lines(path, limits, endpoint=endpoint, see=see), progress and (lambda: progress(read)))
        if what := before.change(path):
            raise changed(what)
        return survey.finish(lambda: read_lines(path, limits, endpoint=endpoint), digest.digest(), before)


def _decoded(line: bytes, number: int) -> bytes | BadLine:
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return not_utf8(line, number, error)
    return line
