"""Settings and tables as documents hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.prompts.options import PromptOptions


def asked(prompts: PromptOptions) -> dict[str, Any]:
    """What was asked of the server, for document["settings"]."""
    return asdict(prompts)


def table(title: str, note: str, columns: Sequence[tuple[str, str, str]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One of document["tables"]; a column is (key, title, unit)."""
    named = [{"key": key, "title": head, "unit": unit} for key, head, unit in columns]
    return {"title": title, "note": note, "columns": named, "rows": [dict(row) for row in rows]}


def picture(
    title: str, caption: str, x: str, y: str, series: Mapping[str, Sequence[Sequence[Any]]], *, kind: str = "line", log_x: bool = False
) -> dict[str, Any]:
    """One of document["pictures"]; `series`: name -> points (x, y)."""
    return {
        "title": title,
        "caption": caption,
        "x": {"title": x, "log": log_x},
        "y": {"title": y, "log": False},
        "kind": kind,
        "series": [{"name": name, "points": [list(point) for point in points]} for name, points in series.items()],
    }
