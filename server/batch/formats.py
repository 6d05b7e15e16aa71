"""The inputs that `sllm batch` takes, told apart: OpenAI batch lines, prompts, conversations, plain text, CSV and Parquet."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.batch.base import ENDPOINTS
from server.batch.input import Format, Input, is_envelope
from server.batch.lines import scan
from server.batch.request import Limits
from server.batch.shape import Shape
from server.batch.source import BOM, HEAD, opened, unreadable
from server.batch.tables import CsvTable, ParquetTable
from server.batch.template import Template, named
from server.errors import UsageError

__all__ = ["FORMATS", "Format", "Input", "open_input"]

FORMATS: tuple[Format, ...] = ("openai", "jsonl", "text", "csv", "parquet")
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
        return isinstance(raw, bytes) and is_envelope(raw)
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
