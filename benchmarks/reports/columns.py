"""The columns of the tables by level, and the cells of a document's own tables: the same figures on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.reports.levels import NOTHING, Row, number


@dataclass(frozen=True)
class Column:
    head: str
    part: str  # below the head: p50, p99; ""
    path: tuple[str, ...]  # in the summary of a level

    def cell(self, row: Row) -> str:
        """The median of the repeats."""
        return number(row.median(*self.path))

    def band(self, row: Row) -> str:
        """ "640–660": the lowest and the highest of the repeats; "" where they read alike."""
        spread = row.spread(*self.path)
        if spread is None or number(spread.low) == number(spread.high):
            return ""
        return f"{number(spread.low)}–{number(spread.high)}"


RATES = (Column("Requests/s", "", ("request_rate",)), Column("Output tokens/s", "", ("output_tokens_per_second",)))
ALL_TOKENS = Column("All tokens/s", "", ("total_tokens_per_second",))
OPEN = Column("Mean open", "", ("mean_concurrency",))


def latency(metric: str, *parts: str) -> tuple[Column, ...]:
    """vLLM's definition of a metric, ms."""
    return tuple(Column(f"{metric.upper()} ms", part, (f"{metric}_ms", "vllm", part)) for part in parts)


GOODPUT = Column("Goodput/s", "", ("goodput", "requests_per_second"))
SHARE = Column("Within limits", "", ("goodput", "share"))


def cell(value: Any) -> str:
    """One cell of a document's own table, for people."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(one)}" for key, one in value.items() if one is not None)
    return ", ".join(map(cell, value)) if isinstance(value, list | tuple) else str(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def own_tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """document["tables"] as title, note, heads, which columns hold figures, and rows of text."""
    tables = []
    for table in document.get("tables") or []:
        columns = table.get("columns") or []
        heads = [(str(c.get("title") or c.get("key") or ""), str(c.get("unit") or "")) for c in columns]
        rows = [[cell(row.get(c["key"])) for c in columns] for row in table.get("rows") or []]
        numeric = [all(is_number(row.get(c["key"])) or row.get(c["key"]) is None for row in table.get("rows") or []) for c in columns]
        made = {"title": str(table.get("title") or ""), "note": str(table.get("note") or ""), "heads": heads, "numeric": numeric}
        tables.append(made | {"rows": rows})
    return tables
