"""An input of `sllm batch`: its lines, any number of times the same, for the check, the run and a later run that goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from server.batch.base import BadLine, Line
from server.batch.checking import Checked, Known, Survey, changed
from server.batch.lines import scan
from server.batch.request import read_line
from server.batch.shape import Shape
from server.batch.source import Fingerprint, See, opened, wrong_file
from server.batch.tables import CsvTable, ParquetTable

Format = Literal["openai", "jsonl", "text", "csv", "parquet"]
BLOCK = 2**20


@dataclass(frozen=True)
class Input:
    """`format`: what the file is read as; `table`: its rows, where it has some."""

    path: Path
    format: Format
    shape: Shape
    table: CsvTable | ParquetTable | None = None

    def __iter__(self) -> Iterator[Line | BadLine]:
        """All lines from the first. Raises UsageError and InvalidRequest for the file as a whole, as `lines.scan` does."""
        return self._lines(None)

    def check(self, *, known: Known | None = None, first: int = 100, progress: Callable[[int], object] | None = None) -> Checked:
        """Go through all lines once; as `lines.check`. `progress` gets a number of the file's bytes."""
        fingerprint = Fingerprint.of(self.path)
        digest, seen = hashlib.sha256(), 0

        def see(data: memoryview) -> None:
            nonlocal seen
            seen += len(data)
            digest.update(data)

        def at() -> int:
            if isinstance(self.table, ParquetTable):
                return fingerprint.size * survey.total // max(self.table.count, 1)
            return seen

        with Survey(self.shape.limits, known, first) as survey:
            survey.run(self._lines(see), progress and (lambda: progress(at())))
            if not survey.total:
                raise wrong_file("The file has a header and no row: write one row a request.", "empty_file")
            if isinstance(self.table, ParquetTable):
                with opened(self.path, see=see) as file:
                    while file.read(BLOCK):
                        pass
            if what := fingerprint.change(self.path):
                raise changed(what)
            return survey.finish(lambda: self, digest.digest(), fingerprint)

    def identity(self) -> bytes:
        """What shapes the requests besides the file's bytes, as a digest: for the job that the results belong to."""
        shape = self.shape
        template = shape.template.text if shape.template else None
        parts = [self.format, shape.url, shape.model, shape.system, template, sorted(shape.defaults.items())]
        return hashlib.sha256(msgspec.json.encode(parts)).digest()

    def _lines(self, see: See | None) -> Iterator[Line | BadLine]:
        if self.table is not None:
            return self._rows(self.table, see)
        return self._text(see) if self.format == "text" else self._objects(see)

    def _objects(self, see: See | None) -> Iterator[Line | BadLine]:
        shape = self.shape
        for number, raw in scan(self.path, shape.limits, unpack=True, see=see):
            if isinstance(raw, BadLine):
                yield raw
                continue
            if shape.template is not None:
                yield shape.of_object(raw, number)
                continue
            line = read_line(raw, number, shape.limits, model=shape.model)
            if isinstance(line, BadLine) and self.format == "jsonl" and line.code != "invalid_json_line" and not is_envelope(raw):
                line = shape.of_object(raw, number)
            yield line

    def _text(self, see: See | None) -> Iterator[Line | BadLine]:
        for number, raw in scan(self.path, self.shape.limits, json=False, unpack=True, see=see):
            yield raw if isinstance(raw, BadLine) else self.shape.of_text(raw.decode(), number)

    def _rows(self, table: CsvTable | ParquetTable, see: See | None) -> Iterator[Line | BadLine]:
        template = self.shape.template
        columns = (*template.columns, "custom_id", "id") if template else ("messages", "custom_id", "id")
        for found in table.rows(columns, see):
            if isinstance(found, BadLine):
                yield found
            else:
                number, row = found
                yield self.shape.of_row(row, number) if template else self.shape.of_messages(row, number)


def is_envelope(raw: bytes) -> bool:
    """Whether a line that is no good batch line was meant as one."""
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return "body" in fields or (bool({"method", "url"} & fields.keys()) and not {"prompt", "messages", "input"} & fields.keys())
