"""Calibration sets on disk: JSON lines, a JSON list, plain text. What is wrong is named with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from quantize.calibration.rows import Row, Text, row
from quantize.errors import CalibrationError

BUNDLED = Path(__file__).parent / "bundled.jsonl"
LINES, LIST, PLAIN = (".jsonl", ".ndjson"), (".json",), (".txt", ".md")


def read(file: Path) -> list[Row]:
    """The samples of `file`, in its order. Raises CalibrationError naming file, line and what is wrong."""
    kind = file.suffix.lower()
    if kind not in (*LINES, *LIST, *PLAIN):
        raise CalibrationError(f"{file}: a calibration file is .jsonl, .json or .txt: rename it, or convert it to JSON lines")
    try:
        data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise CalibrationError(f"cannot read the calibration file {file}: {error.strerror}") from None
    found = _lines(file, data) if kind in LINES else _list(file, data) if kind in LIST else _paragraphs(file, data)
    if not found:
        raise CalibrationError(f"the calibration file {file} is empty: leave --calibration out for the bundled set")
    return found


def _lines(file: Path, data: bytes) -> list[Row]:
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            found.append(_row(f"{file}, line {number}", _json(f"{file}, line {number}", line)))
    return found


def _list(file: Path, data: bytes) -> list[Row]:
    if not data.strip():
        return []
    values = _json(str(file), data)
    if not isinstance(values, list):
        raise CalibrationError(f"{file}: a .json calibration file holds one list of samples; for one sample a line name it .jsonl")
    return [_row(f"{file}, sample {number}", value) for number, value in enumerate(values, start=1)]


def _paragraphs(file: Path, data: bytes) -> list[Row]:
    text = _decoded(str(file), data).replace("\r\n", "\n")
    return [Text(part.strip()) for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def _row(where: str, value: object) -> Row:
    try:
        return row(value)
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None


def _json(where: str, data: bytes) -> object:
    try:
        return json.loads(_decoded(where, data))
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise CalibrationError(f"{where}: not JSON ({error.msg}, {at})") from None
    except RecursionError:
        raise CalibrationError(f"{where}: not JSON that can be read: it is nested too deeply") from None


def _decoded(where: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = f", line {data[: error.start].count(10) + 1}" if b"\n" in data[:-1] else ""
        raise CalibrationError(f"{where}{line}: not UTF-8 text: save it as UTF-8") from None
