"""Requests a second that were within the limits, beside all that were completed, against the load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.reports.levels import Curve, Document, Row, curves, knob, number, repeats
from benchmarks.reports.plots import style
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = (
    (("request_rate",), "completed", style.BLUE, "o", "-"),
    (("goodput", "requests_per_second"), "goodput", style.GREEN, "^", "-"),
)


def plots(document: Document) -> Iterator[Plot]:
    """For each curve with at least two loads."""
    runs = repeats(document)
    for index, curve in enumerate(curves(document)):
        rows = [row for row in curve.rows if math.isfinite(knob(row.load)) and row.spread("request_rate")]
        if len(rows) < 2:
            continue
        good = any(row.spread("goodput", "requests_per_second") for row in rows)
        title = f"{'Goodput' if good else 'Throughput'} against {'rate' if curve.mode == 'open' else 'concurrency'}"
        limits = _limits(rows)
        words = f"Goodput: completed requests/s within {in_words(limits)}. " if good else "No goodput: the run had no --slo. "
        words += "The dashed line is the rate asked for. " if curve.mode == "open" else ""
        words += "Not shown, for want of a rate: all at once. " if len(rows) < len(curve.rows) else ""
        words += "Bands: lowest to highest run." if runs > 1 else ""
        slug = title.lower().replace(" ", "-") + (f"-{index + 1}" if index else "")
        name = f", {curve.name}" if curve.name else ""
        yield Plot(slug, title + name, words.strip(), partial(draw, curve=curve, rows=rows))


def _limits(rows: Sequence[Row]) -> Mapping[str, Any]:
    """The limits that the first level with goodput was held to, in seconds."""
    found = ((level["summary"].get("goodput") or {}).get("slo") for row in rows for level in row.levels)
    return next((slo for slo in found if slo), {})


def in_words(limits: Mapping[str, Any] | None) -> str:
    """ "TTFT 200 ms and TPOT 50 ms" of limits in seconds."""
    named = [f"{name.upper()} {number(float(value) * 1000)} ms" for name, value in (limits or {}).items() if value is not None]
    return " and ".join(named) or "no limits"


def draw(figure: Figure, curve: Curve, rows: Sequence[Row]) -> None:
    axis = figure.add_subplot()
    across = [knob(row.load) for row in rows]
    log = curve.mode != "open" and across[-1] / max(across[0], 1) > 12
    if log:
        axis.set_xscale("log", base=2)
    for path, name, colour, marker, dash in LINES:
        found = [(x, spread) for x, row in zip(across, rows, strict=True) if (spread := row.spread(*path))]
        if found:
            axis.plot([x for x, _ in found], [s.median for _, s in found], dash, marker=marker, color=colour, label=name)
            if any(len(row.levels) > 1 for row in rows):
                axis.fill_between(
                    [x for x, _ in found], [s.low for _, s in found], [s.high for _, s in found], color=colour, alpha=0.2, lw=0
                )
    highest = max(spread.high for row in rows if (spread := row.spread("request_rate")))
    if curve.mode == "open":
        axis.plot(across, across, "--", color=style.SOFT, linewidth=1, label="asked for")
        axis.set_ylim(0, min(max(highest * 1.6, 1e-9), max(highest, across[-1]) * 1.08))
    else:
        axis.set_ylim(0, highest * 1.12 or 1.0)
    failed = [(x, row.median("request_rate")) for x, row in zip(across, rows, strict=True) if row.failed]
    if failed:
        axis.scatter(
            [x for x, _ in failed], [y or 0 for _, y in failed], marker="X", s=55, color=style.FAILED, zorder=5, label="requests failed"
        )
    style.ticks_at(axis, across, log)
    style.thousands(axis)
    axis.set_xlabel(curve.knob)
    axis.set_ylabel("requests/s")
    style.legend(figure, axis)
