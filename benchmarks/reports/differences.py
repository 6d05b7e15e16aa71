"""What differs between two results besides their figures: the set-ups; and generic tables, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MISSING = "(none)"
# of a run, not of a set-up: when, how it was typed, how the last minute was
NOT_SET_UP = ("date", "finished", "command", "load_average")


def set_up(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, in A, in B) of all that differs: versions, flags, hardware, server, seed, settings, in the order of the document."""
    ours, theirs = _set_up_of(a), _set_up_of(b)
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [(name, one, other) for name in names if (one := ours.get(name, MISSING)) != (other := theirs.get(name, MISSING))]


def _set_up_of(document: dict[str, Any]) -> dict[str, str]:
    known = {name: value for name, value in document["provenance"].items() if name not in NOT_SET_UP}
    return _flat(known) | {f"settings.{name}": value for name, value in _flat(document["settings"]).items()}


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """{"server.flags.dtype": "bfloat16", ...}; None counts as not there."""
    if isinstance(value, dict):
        return {name: text for key, part in value.items() for name, text in _flat(part, f"{prefix}.{key}" if prefix else str(key)).items()}
    if isinstance(value, list):
        if any(isinstance(part, dict) for part in value):
            return {name: text for place, part in enumerate(value) for name, text in _flat(part, f"{prefix}.{place}").items()}
        return {prefix: ", ".join(map(str, value))} if value else {}
    return {} if value is None else {prefix: str(value)}


@dataclass(frozen=True)
class Cell:
    """One figure of one row; `ratio` is B / A, None where A is 0 or a side is missing."""

    title: str
    unit: str
    a: float | None
    b: float | None
    ratio: float | None


@dataclass(frozen=True)
class Table:
    """Two tables of one title. Rows are matched by their words; whole numbers count as words where rows are else the same."""

    title: str
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)


def tables(a: dict[str, Any], b: dict[str, Any]) -> tuple[list[Table], list[str], list[str]]:
    """(tables that both have, titles that only A has, that only B has)."""
    ours, theirs = ({table["title"]: table for table in document.get("tables") or []} for document in (a, b))
    both = [_table(ours[title], theirs[title]) for title in ours if title in theirs]
    return both, [title for title in ours if title not in theirs], [title for title in theirs if title not in ours]


def _table(a: dict[str, Any], b: dict[str, Any]) -> Table:
    keys = _keys(a["columns"], a["rows"], b["rows"])
    ours, theirs = _named(a["rows"], keys), _named(b["rows"], keys)
    rows = []
    for name in ours:
        if name in theirs:
            cells = [_cell(column, ours[name], theirs[name]) for column in a["columns"] if column["key"] not in keys]
            rows.append((name, [cell for cell in cells if cell.a is not None or cell.b is not None]))
    return Table(a["title"], rows, [name for name in ours if name not in theirs], [name for name in theirs if name not in ours])


def _keys(columns: Sequence[dict[str, Any]], *sides: Sequence[dict[str, Any]]) -> list[str]:
    """The columns with words in them; then, while rows of one side are not told apart, columns of whole numbers from the left."""
    rows = [row for side in sides for row in side]
    names = [column["key"] for column in columns]
    keys = [name for name in names if any(isinstance(row.get(name), str | bool) for row in rows)]
    for name in names:
        if all(len(_named(side, keys, count=False)) == len(side) for side in sides):
            break
        if name not in keys and all(isinstance(row.get(name), int | None) for row in rows):
            keys.append(name)
    return [name for name in names if name in keys]


def _named(rows: Sequence[dict[str, Any]], keys: Sequence[str], *, count: bool = True) -> dict[str, dict[str, Any]]:
    """Rows by name; rows that stay the same in name are numbered, so none is lost."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = base = ", ".join(str(row[key]) for key in keys if row.get(key) is not None) or "row"
        number = 1
        while count and name in found:
            number += 1
            name = f"{base} ({number})"
        found[name] = row
    return found


def _cell(column: dict[str, Any], a: dict[str, Any], b: dict[str, Any]) -> Cell:
    one, other = _figure(a.get(column["key"])), _figure(b.get(column["key"]))
    ratio = other / one if one and other is not None else None
    return Cell(column.get("title") or column["key"], column.get("unit") or "", one, other, ratio)


def _figure(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
