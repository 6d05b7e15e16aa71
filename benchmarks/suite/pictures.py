"""The suite's pictures, as the document carries them."""

from __future__ import annotations

from typing import Any

from benchmarks.suite.figures import WAYS, Cells, Row, at, loads_of, output_tokens, picture
from benchmarks.suite.scale import Scale


def throughput(scale: Scale, cells: Cells) -> list[Row]:
    """For each shape, output tokens/s of its formats."""
    lengths, made = str(scale.lengths[0]), []
    for shape in dict.fromkeys(name for name, _ in scale.cells):
        series = []
        for (name, format), cell in cells.items():
            entries = [entry for entry in loads_of(cell) if entry["lengths"] == lengths and output_tokens(entry)]
            if name == shape and entries:
                series.append({"name": format, "points": [[entry["load"]["concurrency"], output_tokens(entry)] for entry in entries]})
        if series:
            caption = f"Random weights in the shape of {shape}, input/output {lengths}, the engine alone."
            made.append(picture(f"{shape}: output tokens/s", caption, "requests open", "output tokens/s", series, log="xy"))
    return made


def decode(found: dict[str, Any]) -> list[Row]:
    """For each shape, the shares in the table of decoding."""
    rows = [row for row in found["rows"] if row["share"] is not None]
    if not rows:
        return []
    lengths, made = found["rows"][0]["lengths"], []
    for shape in dict.fromkeys(row["shape"] for row in rows):
        series = []
        for format in dict.fromkeys(row["format"] for row in rows):
            mine = [row for row in rows if (row["shape"], row["format"], row["lengths"]) == (shape, format, lengths)]
            if mine:
                series.append({"name": format, "points": [[row["concurrency"], row["share"]] for row in mine]})
        caption = f"Share of what the measured memory rate allows, input/output {lengths}. Where it falls, something else is the limit."
        if series:
            made.append(picture(f"{shape}: decode against the memory's rate", caption, "requests open", "share, %", series, log="x"))
    return made


def gateway(result: dict[str, Any] | None) -> list[Row]:
    """TTFT of every round, by both ways."""
    if not result:
        return []
    series = []
    for way in WAYS:
        entries = [entry for entry in result["levels"] if entry["way"] == way and at(entry, "ttft_ms", "p50") is not None]
        points = [[entry["load"]["concurrency"], at(entry, "ttft_ms", "p50")] for entry in entries]
        series.append({"name": way, "points": points})
    caption = "Median TTFT of each round, both in the same run."
    return [picture("The gateway in front", caption, "requests open", "TTFT p50, ms", series, kind="scatter")]
