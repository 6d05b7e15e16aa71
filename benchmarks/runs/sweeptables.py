"""A sweep's table, its knees and its pictures, made of the levels of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.loadgen.records import Load
from benchmarks.metrics.knee import knee
from benchmarks.runs.loads import named
from benchmarks.suite.figures import Row, picture, table

FIGURES = (
    ("ttft", "TTFT p50", "ttft_ms", "p50"),
    ("ttft99", "TTFT p99", "ttft_ms", "p99"),
    ("tpot", "TPOT p50", "tpot_ms", "p50"),
    ("tpot99", "TPOT p99", "tpot_ms", "p99"),
    ("e2e", "E2E p50", "e2e_ms", "p50"),
)


def made(cells: Sequence[dict[str, Any]]) -> tuple[list[Row], list[Row]]:
    """The tables and pictures of cells that are done."""
    rows = [row for cell in cells for row in _rows(cell)]
    columns = [("model", "Model", ""), ("flags", "Flags", ""), ("prompts", "Prompts", ""), ("load", "Load", "")]
    columns += [("rounds", "Rounds", ""), ("failed", "Failed", ""), ("tokens", "Output", "tokens/s")]
    columns += [*((key, title, "ms") for key, title, *_ in FIGURES), ("goodput", "Within limits", "%")]
    whole = table("Every cell and load", "Medians of the rounds; TTFT, TPOT and E2E as vLLM defines them.", columns, rows)
    return [whole, _knees(cells)], _pictures(rows)


def _rows(cell: dict[str, Any]) -> list[Row]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for level in cell["levels"]:
        load = level["load"]
        rate = float(load["rate"]) if load["rate"] is not None else None  # JSON has no infinity: it stands there as "inf"
        name = named(Load(load["mode"], load["concurrency"], rate))
        groups.setdefault((level["prompt_set"], name), []).append(level)
    return [_row(cell, prompts, load, levels) for (prompts, load), levels in groups.items()]


def _row(cell: dict[str, Any], prompts: str, load: str, levels: Sequence[dict[str, Any]]) -> Row:
    summaries = [level["summary"] for level in levels]
    row: Row = {"model": cell["model"], "flags": cell["flags"], "prompts": prompts, "load": load, "rounds": len(levels)}
    row["failed"] = sum(summary["requests"]["failed"] for summary in summaries)
    row["tokens"] = _median([s["output_tokens_per_second"] for s in summaries if s["requests"]["completed"]])
    for key, _, metric, percentile in FIGURES:
        row[key] = _median([found[percentile] for s in summaries if (found := s[metric]["vllm"])])
    row["goodput"] = _median([100 * s["goodput"]["share"] for s in summaries if s["goodput"]])
    row["concurrency"] = levels[0]["load"]["concurrency"] if levels[0]["load"]["mode"] == "closed" else None
    return row


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _knees(cells: Sequence[dict[str, Any]]) -> Row:
    rows = []
    for cell in cells:
        for prompts in dict.fromkeys(level["prompt_set"] for level in cell["levels"]):
            mine = [level for level in cell["levels"] if level["prompt_set"] == prompts]
            found = knee(mine)
            at = ", ".join(f"{name} {value:g}" for name, value in found["at"].items()) if found and found["at"] else "none of these loads"
            why = found["why"] if found else "too few levels to say"
            rows.append({"model": cell["model"], "flags": cell["flags"], "prompts": prompts, "at": at, "why": why})
    columns = [("model", "Model", ""), ("flags", "Flags", ""), ("prompts", "Prompts", ""), ("at", "Saturates at", ""), ("why", "Why", "")]
    return table("Where each saturates", "", columns, rows)


def _pictures(rows: Sequence[Row]) -> list[Row]:
    """Closed loops only: an open loop's picture is its own, by rate."""
    pictures = []
    for prompts in dict.fromkeys(row["prompts"] for row in rows):
        for key, title, unit in (("tokens", "output tokens/s", ""), ("ttft", "TTFT p50", ", ms"), ("tpot", "TPOT p50", ", ms")):
            series = []
            for model, flags in dict.fromkeys((row["model"], row["flags"]) for row in rows):
                points = [
                    [row["concurrency"], row[key]]
                    for row in rows
                    if (row["model"], row["flags"], row["prompts"]) == (model, flags, prompts)
                    and row["concurrency"] is not None
                    and row[key] is not None
                ]
                if points:
                    series.append({"name": f"{model}, {flags}", "points": points})
            if series:
                pictures.append(picture(f"{prompts}: {title}", "Medians of the rounds.", "requests open", title + unit, series))
    return pictures
