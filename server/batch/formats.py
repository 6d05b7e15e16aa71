"""The inputs that `sllm batch` takes: OpenAI batch lines, prompts, conversations, plain text, CSV and Parquet.

An Input can be read any number of times, each time the same lines with the same numbers: for the check, the run, and a later run that
goes on where this one stopped.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from server.batch.base import ENDPOINTS, BadLine, Line
from server.batch.checking import Checked, Known, Survey, changed
from server.batch.lines import scan
from server.batch.request import Limits, read_line
from server.batch.shape import Shape
from server.batch.source import BOM, HEAD, Fingerprint, opened, unreadable, wrong_file
from server.batch.tables import CsvTable, ParquetTable
from server.batch.template import Template, named
from server.errors import UsageError

Format = Literal["openai", "jsonl", "text", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("openai", "jsonl", "text", "csv", "parquet")
BLOCK = 2**20
_suffixes: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".txt": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}

See = Callable[[bytes], object]


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
        """Go through all lines once; as `lines.check`. `progress` gets a number of bytes; never more than there are."""
        fingerprint = Fingerprint.of(self.path)
        seen = 0

        def see(data: bytes) -> None:
            nonlocal seen
            seen += len(data)

        with Survey(self.shape.limits, known, first) as survey:
            survey.run(self._lines(see), progress and (lambda: progress(min(seen, fingerprint.size))))
            if not survey.total:
                raise wrong_file("The file has a header and no row: write one row a request.", "empty_file")
            digest = self._digest()
            if what := fingerprint.change(self.path):
                raise changed(what)
            return survey.finish(lambda: self, digest, fingerprint)

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
            if isinstance(line, BadLine) and self.format == "jsonl" and line.code != "invalid_json_line" and not _is_envelope(raw):
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

    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        with opened(self.path) as file:
            while data := file.read(BLOCK):
                digest.update(data)
        return digest.digest()


def open_input(
    path: str | os.PathLike[str],
    *,
    prompt: str | None = None,
    system: str | None = None,
    model: str | None = None,
    url: str = ENDPOINTS[0],
    format: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> Input:
    """What the file holds, by `format`, else by its name, else by its first line.

    `prompt`: a template for rows. `system`, `url`, `defaults` (fields of the body) shape lines that are no OpenAI batch lines; `model`
    is for lines that name none. Raises UsageError and InvalidRequest, one sentence each.
    """
    if url not in ENDPOINTS:
        raise UsageError(f"There is no endpoint {url}: write {' or '.join(ENDPOINTS)}.")
    path, limits = Path(path), limits or Limits()
    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no format {format}: write {', '.join(FORMATS)}.")
    kind = _format(path, format)
    template = None if prompt is None else Template(prompt)
    table = (
        CsvTable(path, limits, delimiter=_delimiter(path)) if kind == "csv" else ParquetTable(path, limits) if kind == "parquet" else None
    )
    if table is not None:
        template = _of_table(table, template)
    if kind == "text" and template is not None:
        template.check(("text",))
    if kind == "jsonl" and system is not None and template is None and _holds_requests(path, limits):
        kind = "openai"
    if kind == "openai" and (template is not None or system is not None):
        raise UsageError(f"--{'prompt' if template else 'system'} is not for OpenAI batch lines, which are requests already: leave it out.")
    return Input(path, kind, Shape(url, model, system, template, dict(defaults or {}), limits), table)


def _format(path: Path, format: Format | None) -> Format:
    with opened(path, unpack=True) as file:
        try:
            head = file.peek(HEAD)[:HEAD].removeprefix(BOM).lstrip()
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(path, error) from None
    if format is not None:
        return format
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    by_name = _suffixes.get(suffixes[-1]) if suffixes else None
    if by_name is not None and not (by_name == "text" and head.startswith(b'{"')):
        return by_name
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.startswith((b"{", b"[{")) or not head else "text"


def _delimiter(path: Path) -> str | None:
    return "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes) else None


def _holds_requests(path: Path, limits: Limits) -> bool:
    """Whether the first line is an OpenAI batch line."""
    for _, raw in scan(path, limits, unpack=True):
        return isinstance(raw, bytes) and _is_envelope(raw)
    return False


def _of_table(table: CsvTable | ParquetTable, template: Template | None) -> Template | None:
    """The template, or one for the column that is asked; None for a column `messages`, which only Parquet can hold."""
    if template is not None:
        template.check(table.columns)
        return template
    if "messages" in table.columns and isinstance(table, ParquetTable):
        return None
    texts = [column for column in table.columns if column not in ("custom_id", "id")]
    if "prompt" in texts or len(texts) == 1:
        return Template.of("prompt" if "prompt" in texts else texts[0])
    raise UsageError(
        f'Which column is asked? Add e.g. --prompt "{{{texts[0] if texts else "text"}}}": the columns are {named(table.columns)}.'
    )


def _is_envelope(raw: bytes) -> bool:
    """Whether a line that is no good batch line was meant as one."""
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return "body" in fields or (bool({"method", "url"} & fields.keys()) and not {"prompt", "messages", "input"} & fields.keys())
