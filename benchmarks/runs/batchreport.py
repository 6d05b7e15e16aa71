"""What the three ways of batching did: table, pictures and one paragraph, computed from the document's own levels."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.metrics.percentiles import interpolated
from benchmarks.runs import settings
from benchmarks.runs.batches import MODES, running
from benchmarks.runs.dispatch import Done

COLUMNS = [
    ("load", "Arrivals", ""),
    ("mode", "Batching", ""),
    ("output", "Output tokens", "1/s"),
    ("request_rate", "Request rate", "1/s"),
    ("e2e_p50", "Latency p50", "ms"),
    ("e2e_p99", "p99", "ms"),
    ("ttft_p50", "First token p50", "ms"),
    ("ttft_p99", "p99", "ms"),
    ("wait_p50", "Wait for a batch p50", "ms"),
    ("wait_p99", "p99", "ms"),
    ("decoding", "Requests decoding", "mean"),
    ("failed", "Failed", ""),
]
NOTE = (
    "Same prompts, answer lengths, arrivals and engine. Latencies begin when a request arrives; wait for a batch: until it is given to "
    "the engine (with continuous batching it waits in the engine instead, which the first token shows). Requests decoding: with their "
    "first token and not their last, over the time of the whole run. Medians over the rounds."
)


def add(made: dict[str, Any], done: Done, mode: str, way: str, repeat: int) -> None:
    """Keep what only the dispatcher knows beside the level that was kept last, and write table, pictures and paragraph anew."""
    level = made["levels"][-1]
    waits = [done.started[r.index] - r.sent for r in done.level.records if r.error is None]
    spans = [(r.first, r.end) for r in done.level.records if r.error is None and r.first is not None and r.end is not None]
    seconds = done.level.seconds
    level["batching"] = {
        "mode": mode,
        "arrivals": way,
        "wait_ms": {f"p{p}": round(interpolated(sorted(waits), p) * 1000, 3) for p in (50, 99)} if waits else None,
        "decoding_mean": round(sum(end - first for first, end in spans) / seconds, 3) if seconds else None,
        "decoding": [[round(moment, 3), count] for moment, count in running(spans, seconds)] if seconds else [],
    }
    rows = table_rows(made["levels"])
    made["tables"] = [settings.table("Static, dynamic and continuous batching", said(rows) + " " + NOTE, COLUMNS, rows)]
    made["pictures"] = pictures(made["levels"], rows)


def table_rows(levels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each way of arriving and mode, medians over the rounds."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for level in levels:
        found[(level["batching"]["arrivals"], level["batching"]["mode"])].append(level)
    ways = list(dict.fromkeys(way for way, _ in found))
    return [_row(way, mode, found[(way, mode)]) for way in ways for mode in MODES if (way, mode) in found]


def _row(way: str, mode: str, levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def median(*path: str) -> float | None:
        values = []
        for level in levels:
            value: Any = level
            for key in path:
                value = value.get(key) if value is not None else None
            if value is not None:
                values.append(float(value))
        return round(statistics.median(values), 3) if values else None

    return {
        "load": way,
        "mode": mode,
        "output": median("summary", "output_tokens_per_second"),
        "request_rate": median("summary", "request_rate"),
        "e2e_p50": median("summary", "e2e_ms", "vllm", "p50"),
        "e2e_p99": median("summary", "e2e_ms", "vllm", "p99"),
        "ttft_p50": median("summary", "ttft_ms", "vllm", "p50"),
        "ttft_p99": median("summary", "ttft_ms", "vllm", "p99"),
        "wait_p50": median("batching", "wait_ms", "p50"),
        "wait_p99": median("batching", "wait_ms", "p99"),
        "decoding": median("batching", "decoding_mean"),
        "failed": sum(level["summary"]["requests"]["failed"] for level in levels),
    }


def said(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was seen, a sentence for each way of arriving; "" without continuous and one other to hold it against."""
    sentences = []
    for way in dict.fromkeys(row["load"] for row in rows):
        by_mode = {row["mode"]: row for row in rows if row["load"] == way}
        ours = by_mode.get("continuous")
        others = [by_mode[mode] for mode in ("static", "dynamic") if mode in by_mode and by_mode[mode]["output"]]
        if not ours or not others or not ours["output"]:
            continue
        when = "With all requests there at once" if way == "all at once" else "With requests that arrive one by one"
        times = " and ".join(f"{ours['output'] / other['output']:.2f} times that of {other['mode']}" for other in others)
        parts = [f"{when}, continuous batching brought {ours['output']:,.0f} output tokens/s, {times} batching"]
        for key, words, form in (
            ("e2e_p50", "the median latency was {} ms", ",.0f"),
            ("decoding", "on average {} requests were decoding", ".1f"),
        ):
            if ours[key] is not None and all(other[key] is not None for other in others):
                parts.append(
                    words.format(format(ours[key], form)) + " against " + " and ".join(format(other[key], form) for other in others)
                )
        sentences.append("; ".join(parts) + ".")
    return " ".join(sentences)


def pictures(levels: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Output rate and latency as bars, and how full the engine was over the time of the first round."""
    ways = list(dict.fromkeys(row["load"] for row in rows))
    modes = [mode for mode in MODES if any(row["mode"] == mode for row in rows)]

    def bars(key: str) -> dict[str, list[tuple[str, Any]]]:
        return {mode: [(row["load"], row[key]) for row in rows if row["mode"] == mode and row[key] is not None] for mode in modes}

    medians = "Medians over the rounds; the same requests each time."
    made = [
        settings.picture("Output tokens/s by batching", medians, "requests", "output tokens/s", bars("output"), kind="bar"),
        settings.picture("Median latency by batching", medians, "requests", "ms", bars("e2e_p50"), kind="bar"),
        settings.picture("p99 latency by batching", medians, "requests", "ms", bars("e2e_p99"), kind="bar"),
    ]
    for way in ways:
        first = {
            level["batching"]["mode"]: level["batching"]["decoding"]
            for level in levels
            if level["batching"]["arrivals"] == way and level["repeat"] == 0
        }
        caption = "Requests between their first and their last token, first round. What is missing to the top is room that stood empty."
        series: dict[str, Any] = {mode: first[mode] for mode in MODES if mode in first}
        made.append(settings.picture(f"How full the engine was, {way}", caption, "seconds", "requests decoding", series))
    return made
