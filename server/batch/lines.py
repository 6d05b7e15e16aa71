"""The lines of an OpenAI batch file, and the check of a whole one: one pass, in memory that does not grow with the file.

`scan` gives what is on each line, `read_line` makes a request of it, `check` does both for all lines and finds ids that come twice.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from server.batch.base import ENDPOINTS, BadLine
from server.batch.ids import Ids
from server.batch.request import Limits, not_utf8, read_line, shown, string_at, too_long
from server.batch.source import BOM, HEAD, Fingerprint, opened, refuse_foreign, refuse_other_json, unreadable, wrong_file

__all__ = ["Checked", "Fingerprint", "Limits", "check", "read_line", "scan"]

PIECE = 2**20  # bytes of a line that is passed over
NAMES = 1000  # models that are counted by name
PROGRESS = 1024  # lines between two words to `progress`


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file holds. `total` counts lines that are not blank; `errors_total` those of them that are not run."""

    total: int
    errors: tuple[BadLine, ...]  # the first ones, by line
    errors_total: int
    digest: bytes  # SHA-256 of the file's bytes
    endpoints: dict[str, int]  # good lines of each
    models: dict[str, int]  # good lines of each, the first 1,000 names
    fingerprint: Fingerprint

    @property
    def size(self) -> int:
        return self.fingerprint.size

    @property
    def mtime(self) -> int:
        """In nanoseconds."""
        return self.fingerprint.mtime_ns


def scan(
    path: str | os.PathLike[str], limits: Limits, *, see: Callable[[bytes], object] | None = None
) -> Iterator[tuple[int, bytes | BadLine]]:
    """Each line that is not blank with its number from 1, without its end and the file's BOM.

    A line that is too long or not UTF-8 is a BadLine. `see` gets all bytes of the file in pieces. Raises UsageError for a file that
    cannot be read, InvalidRequest for one that is no text in UTF-8, no JSON lines, or empty.
    """
    with opened(path) as file:
        try:
            head = file.peek(HEAD)[:HEAD] if hasattr(file, "peek") else b""
            refuse_foreign(head)
            refuse_other_json(head)
            number, blank = 0, True
            while raw := file.readline(limits.max_line + 2):  # with \r\n
                number += 1
                if see is not None:
                    see(raw)
                ended = raw.endswith(b"\n")
                line = raw.rstrip(b"\r\n") if ended else raw
                if number == 1:
                    line = line.removeprefix(BOM)
                over = len(line) > limits.max_line
                while not ended and (piece := file.readline(PIECE)):
                    over = True
                    ended = piece.endswith(b"\n")
                    if see is not None:
                        see(piece)
                if over:
                    blank = False
                    yield number, too_long(number, limits)
                elif line and not line.isspace():
                    blank = False
                    yield number, _decoded(line, number)
        except OSError as error:
            raise unreadable(path, error) from None
    if blank:
        what = "holds only blank lines" if number else "is empty"
        raise wrong_file(f"The file {what}: write one request a line.", "empty_file")


def check(
    path: str | os.PathLike[str],
    limits: Limits,
    *,
    endpoint: str | None = None,
    known: Callable[[str, str], bool] | None = None,
    first: int = 100,
    progress: Callable[[int], object] | None = None,
) -> Checked:
    """Read all lines once. `endpoint`: the url that each must have; None: any. `known(model, url)`: whether that is served.

    `progress` gets the number of bytes read. Raises what `scan` raises, InvalidRequest with code too_many_tasks above
    `limits.max_lines` and file_changed where the file changed meanwhile, DiskFull where a very long file's ids find no room.
    """
    urls = ENDPOINTS if endpoint is None else (endpoint,)
    digest, read = hashlib.sha256(), 0
    total = wrong = 0
    errors: list[BadLine] = []
    endpoints: Counter[str] = Counter()
    models: Counter[str] = Counter()
    served: dict[tuple[str, str], bool] = {}

    def see(data: bytes) -> None:
        nonlocal read
        read += len(data)
        digest.update(data)

    with opened(path) as file:
        before = Fingerprint.from_stat(os.fstat(file.fileno()))
    with Ids() as ids:
        for number, raw in scan(path, limits, see=see):
            total += 1
            if limits.max_lines is not None and total > limits.max_lines:
                text = f"The file has more than {limits.max_lines:,} requests: split it, or raise `batch.max_lines`."
                raise wrong_file(text, "too_many_tasks")
            line = raw if isinstance(raw, BadLine) else read_line(raw, number, limits, urls=urls)
            if not isinstance(line, BadLine):
                pair = (line.model, line.url)
                if known is not None and pair not in served and len(served) < NAMES:
                    served[pair] = known(*pair)
                if known is None or (served[pair] if pair in served else known(*pair)):
                    endpoints[line.url] += 1
                    if line.model in models or len(models) < NAMES:
                        models[line.model] += 1
                else:
                    text = f"Line {number}: no model {shown(line.model)} is served for {line.url}: /v1/models names those that are."
                    line = BadLine(number, line.custom_id, "model_not_found", text, "body.model")
            bad = isinstance(line, BadLine)
            if isinstance(line, BadLine):
                wrong += 1
                if len(errors) < first:
                    errors.append(line)
            if line.custom_id is not None:
                ids.add(line.custom_id, number, bad=bad)
            if progress is not None and not total % PROGRESS:
                progress(read)
        doubled = 0

        def counted() -> Iterator[tuple[int, int]]:
            nonlocal doubled
            for pair in ids.twice():
                doubled += 1
                yield pair

        again = heapq.nsmallest(max(first, 1), counted())
    if changed := before.change(path):
        raise wrong_file(f"The file {changed} while it was read: try again when nothing writes to it.", "file_changed")
    errors.extend(_named(path, limits, again))
    errors.sort(key=lambda error: error.number)
    return Checked(total, tuple(errors[:first]), wrong + doubled, digest.digest(), dict(endpoints), dict(models), before)


def _decoded(line: bytes, number: int) -> bytes | BadLine:
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return not_utf8(line, number, error)
    return line


def _named(path: str | os.PathLike[str], limits: Limits, again: list[tuple[int, int]]) -> Iterator[BadLine]:
    """The errors for lines whose id an earlier line has. `again` is sorted; the file is read once more, up to the last of them."""
    if not again:
        return
    wanted = dict(again)
    for number, raw in islice(scan(path, limits), again[-1][0]):
        if number in wanted:
            custom_id = None if isinstance(raw, BadLine) else string_at(raw, "custom_id")
            text = f"Line {number}: custom_id {shown(custom_id or '')} is that of line {wanted[number]} too: give each line its own."
            yield BadLine(number, custom_id, "duplicate_custom_id", text, "custom_id")
