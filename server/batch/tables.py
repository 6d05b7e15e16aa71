"""Rows of CSV and Parquet files, one at a time, with numbers that stay the same each time they are read."""

from __future__ import annotations

import csv
import importlib
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from server.batch.base import BadLine
from server.batch.request import Limits, not_utf8, too_long
from server.batch.source import BOM, HEAD, See, opened, refuse_foreign, unreadable, wrong_file
from server.batch.template import named
from server.errors import UsageError

Row = dict[str, Any]
ROWS = 256  # of a Parquet file in memory
PIECE = 2**20
DELIMITERS = ",\t;"


class CsvTable:
    """Columns by the first row; cells may have line ends inside quotes. Raises as `source` does, and InvalidRequest for no header."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits, *, delimiter: str | None = None) -> None:
        self.path = path
        self.limits = limits
        csv.field_size_limit(max(csv.field_size_limit(), limits.max_line))
        with opened(path, unpack=True) as file:
            try:
                head = file.peek(HEAD)[:HEAD]
            except (OSError, EOFError, zlib.error) as error:
                raise unreadable(path, error) from None
        refuse_foreign(head, json=False)
        line = head.removeprefix(BOM).lstrip().partition(b"\n")[0].decode("utf-8", "replace")
        self.delimiter = delimiter or max(DELIMITERS, key=line.count)
        header = next(self._parsed(), None)
        if header is None:
            raise wrong_file("The file is empty: write a header with the columns' names, then the rows.", "empty_file")
        if isinstance(header, BadLine):
            raise wrong_file(header.message, header.code)
        self.columns = tuple(name.strip() for name in header[1])
        if len(set(self.columns)) < len(self.columns):
            raise wrong_file(f"Two columns of the header have one name: the columns are {named(self.columns)}.")

    def rows(self, columns: Iterable[str] | None = None, see: See | None = None) -> Iterator[tuple[int, Row] | BadLine]:
        """Each row with the number of the line on which it starts. A row that is shorter than the header lacks the last columns."""
        rows = self._parsed(see)
        next(rows, None)
        for found in rows:
            if isinstance(found, BadLine):
                yield found
                continue
            number, cells = found
            if len(cells) > len(self.columns):
                text = f"Line {number} has {len(cells)} cells, and the header {len(self.columns)}: put a text with the delimiter in quotes."
                yield BadLine(number, None, "invalid_row", text)
            else:
                yield number, dict(zip(self.columns, cells, strict=False))

    def _parsed(self, see: See | None = None) -> Iterator[tuple[int, list[str]] | BadLine]:
        with opened(self.path, unpack=True, see=see) as file:
            lines = _Lines(file, self.limits)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            while True:
                number = lines.number + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except _TooLong:
                    yield too_long(lines.number, self.limits)
                    continue
                except csv.Error as error:
                    yield BadLine(
                        number, None, "invalid_row", f"Line {number} is no CSV ({error}): close each quote, and double those inside quotes."
                    )
                    continue
                except (OSError, EOFError, zlib.error) as error:
                    raise unreadable(self.path, error) from None
                raw = self.delimiter.join(cells).encode("utf-8", "surrogateescape")
                try:
                    raw.decode()
                except UnicodeDecodeError as error:
                    yield not_utf8(raw, number, error)
                    continue
                if any(cells):
                    yield number, cells


class _TooLong(Exception):
    pass


class _Lines:
    """Lines of a file for csv.reader, which goes on after one that raised. Bytes that are not UTF-8 become lone surrogates."""

    def __init__(self, file: Any, limits: Limits) -> None:
        self.file = file
        self.most = limits.max_line
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw: bytes = self.file.readline(self.most + 2)
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) == self.most + 2 and not raw.endswith(b"\n"):
            while piece := self.file.readline(PIECE):
                if piece.endswith(b"\n"):
                    break
            raise _TooLong
        return (raw.removeprefix(BOM) if self.number == 1 else raw).decode("utf-8", "surrogateescape")


class ParquetTable:
    """Needs pyarrow. Rows are numbered from 1. Raises UsageError without it, InvalidRequest for a file that is no Parquet."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        self.path = path
        try:
            self.parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise UsageError("Parquet files need pyarrow: pip install pyarrow, or give the rows as CSV or JSON lines.") from None
        with self._open() as file:
            self.columns = tuple(file.schema_arrow.names)
            self.count: int = file.metadata.num_rows

    def rows(self, columns: Iterable[str] | None = None, see: See | None = None) -> Iterator[tuple[int, Row] | BadLine]:
        """Each row, with these columns only (None: all). `see` is not called: a Parquet file is not read from its start to its end."""
        wanted = None if columns is None else [name for name in self.columns if name in set(columns)]
        number = 0
        with self._open() as file:
            batches = file.iter_batches(batch_size=ROWS, columns=wanted)
            while True:
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                except Exception as error:  # pyarrow's own kinds of ValueError and OSError
                    raise unreadable(self.path, error) from None
                names = batch.schema.names
                for index in range(batch.num_rows):
                    number += 1
                    try:
                        yield number, {name: batch.column(at)[index].as_py() for at, name in enumerate(names)}
                    except Exception as error:  # text that is not UTF-8, dates out of range
                        yield BadLine(number, None, "invalid_value", f"Row {number} has a value that cannot be read: {error}.")

    def _open(self) -> Any:
        with opened(self.path):
            pass
        try:
            return self.parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=PIECE)
        except Exception as error:  # pyarrow.ArrowInvalid and its kin
            why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise wrong_file(f"The file is no Parquet that can be read ({why}): check the file, or name its kind with --format.") from None
