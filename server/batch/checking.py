"""All lines of an input gone through once before anything runs: what is wrong, which ids come twice, what is asked of which model.

Memory does not grow with the input: of errors and names the first are kept, of ids what `ids.py` keeps.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from server.batch.base import BadLine, Line
from server.batch.ids import Ids
from server.batch.request import Limits, shown
from server.batch.source import Fingerprint, wrong_file

NAMES = 1000  # models that are counted by name
PROGRESS = 1024  # lines between two calls of `tick`

Known = Callable[[str, str], bool]
"""Whether (model, url) is served."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What an input holds. `total` counts lines that are not blank; `errors_total` those of them that are not run."""

    total: int
    errors: tuple[BadLine, ...]  # the first ones, by line
    errors_total: int
    duplicates: int  # lines among these whose only fault is an id that an earlier line has
    digest: bytes  # SHA-256 of the file's bytes
    endpoints: dict[str, int]  # lines of each that are good but for their id
    models: dict[str, int]  # the same of each model, the first 1,000 names
    fingerprint: Fingerprint

    @property
    def size(self) -> int:
        return self.fingerprint.size

    @property
    def mtime(self) -> int:
        """In nanoseconds."""
        return self.fingerprint.mtime_ns


class Survey:
    """Counts lines one by one. A context manager, for the temporary files of `ids`."""

    def __init__(self, limits: Limits, known: Known | None, first: int, ids: Ids | None = None) -> None:
        self.limits = limits
        self.known = known
        self.first = first
        self.total = self.wrong = self.doubled = 0
        self.errors: list[BadLine] = []
        self.endpoints: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.ids = ids or Ids()
        self._served: dict[tuple[str, str], bool] = {}

    def __enter__(self) -> Survey:
        return self

    def __exit__(self, *_: object) -> None:
        self.ids.close()

    def run(self, lines: Iterable[Line | BadLine], tick: Callable[[], object] | None = None) -> None:
        """Raises InvalidRequest above `limits.max_lines`, DiskFull where the ids of a very long input find no room."""
        for line in lines:
            self.total += 1
            if self.limits.max_lines is not None and self.total > self.limits.max_lines:
                text = f"The file has more than {self.limits.max_lines:,} requests: split it, or raise `batch.max_lines`."
                raise wrong_file(text, "too_many_tasks")
            self._count(line)
            if tick is not None and not self.total % PROGRESS:
                tick()

    def finish(self, again: Callable[[], Iterable[Line | BadLine]], digest: bytes, fingerprint: Fingerprint) -> Checked:
        """`again` gives the lines once more: read up to the last line that is named for its id, where there is one."""
        errors = self.errors + list(self._duplicates(again))
        errors.sort(key=lambda error: error.number)
        wrong = self.wrong + self.doubled
        counted = (dict(self.endpoints), dict(self.models))
        return Checked(self.total, tuple(errors[: self.first]), wrong, self.doubled, digest, *counted, fingerprint)

    def _count(self, line: Line | BadLine) -> None:
        if isinstance(line, Line) and not self._is_served(line):
            text = f"Line {line.number}: no model {shown(line.model)} is served for {line.url}: /v1/models names those that are."
            line = BadLine(line.number, line.custom_id, "model_not_found", text, "body.model")
        if isinstance(line, BadLine):
            self.wrong += 1
            if len(self.errors) < self.first:
                self.errors.append(line)
        else:
            self.endpoints[line.url] += 1
            if line.model in self.models or len(self.models) < NAMES:
                self.models[line.model] += 1
        if line.custom_id is not None:
            self.ids.add(line.custom_id, line.number, bad=isinstance(line, BadLine))

    def _is_served(self, line: Line) -> bool:
        if self.known is None:
            return True
        pair = (line.model, line.url)
        if pair in self._served:
            return self._served[pair]
        answer = self.known(*pair)
        if len(self._served) < NAMES:
            self._served[pair] = answer
        return answer

    def _duplicates(self, again: Callable[[], Iterable[Line | BadLine]]) -> Iterator[BadLine]:
        earlier = dict(heapq.nsmallest(max(self.first, 1), self._doubled()))
        for line in islice(again(), max(earlier, default=0)):  # not every number is a line: blank ones are not
            if line.number in earlier:
                id = shown(line.custom_id or "")
                text = f"Line {line.number}: custom_id {id} is that of line {earlier[line.number]} too: give each line its own."
                yield BadLine(line.number, line.custom_id, "duplicate_custom_id", text, "custom_id")

    def _doubled(self) -> Iterator[tuple[int, int]]:
        for pair in self.ids.twice():
            self.doubled += 1
            yield pair


def changed(what: str) -> Exception:
    return wrong_file(f"The file {what} while it was read: try again when nothing writes to it.", "file_changed")
