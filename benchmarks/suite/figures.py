"""What tables and pictures of the suite are made with: the figures of a level, a table, a picture, as the document wants them."""

from __future__ import annotations

from typing import Any

from benchmarks.metrics.lateness import generator_ok

Row = dict[str, Any]
Cells = dict[tuple[str, str], dict[str, Any]]  # results by (shape, format)
WAYS = ("engine alone", "through the gateway")


def table(title: str, note: str, columns: list[tuple[str, str, str]], rows: list[Row]) -> dict[str, Any]:
    """A table of the document. `columns`: key of the rows, title, unit."""
    return {"title": title, "note": note, "columns": [{"key": k, "title": t, "unit": u} for k, t, u in columns], "rows": rows}


def picture(title: str, caption: str, x: str, y: str, series: list[dict[str, Any]], *, log: str = "", kind: str = "line") -> Row:
    """A picture of the document. `log`: the axes that are logarithmic, "x", "xy" or none."""
    axes = {"x": {"title": x, "log": "x" in log}, "y": {"title": y, "log": "y" in log}}
    return {"title": title, "caption": caption, **axes, "kind": kind, "series": series}


def steps_table(steps: list[dict[str, Any]]) -> Row:
    """How each step stands, with the cause where it failed."""
    columns = [("id", "Step", ""), ("title", "What", ""), ("status", "Status", ""), ("seconds", "Took", "s"), ("cause", "Cause", "")]
    rows = [{key: step[key] for key, *_ in columns} for step in steps]
    return table("Steps", "Each a process of its own; the same command goes on with what is not done.", columns, rows)


def loads_of(cell: dict[str, Any], part: str = "load") -> list[dict[str, Any]]:
    """The levels of a cell: "load", or "prefill"."""
    return [entry for entry in cell["levels"] if entry["part"] == part]


def output_tokens(entry: dict[str, Any]) -> float | None:
    """Output tokens/s; None where nothing was answered."""
    value: float | None = entry["summary"]["output_tokens_per_second"] if entry["summary"]["requests"]["completed"] else None
    return value


def at(entry: dict[str, Any], metric: str, percentile: str) -> float | None:
    """A percentile in ms by vLLM's definition; None without samples."""
    found = entry["summary"][metric]["vllm"]
    return found[percentile] if found else None


def why_late(entry: dict[str, Any]) -> str:
    """What stands beside times that the load generator itself spoilt, since it got too little of the processor; "" for good ones."""
    if generator_ok([entry]):
        return ""
    found = entry["generator"]
    return f"the load generator was late by {found['loop_ms']['p99']:.0f} ms (p99) and took {100 * found['cpu']:.0f}% of a core"
