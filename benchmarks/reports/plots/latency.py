"""Latency against throughput: where more load stops buying tokens and only costs time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.reports.levels import Curve, Document, Row, Spread, curves, is_knee, repeats, thin
from benchmarks.reports.plots import places, style
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = (("ttft_ms", "TTFT", "Time to first token"), ("tpot_ms", "TPOT", "Time per output token"))
LINES = (("p50", style.BLUE, "o", "-"), ("p99", style.RED, "s", "--"))
LOG_FROM = 20.0  # times between the highest and the lowest figure


def plots(document: Document) -> Iterator[Plot]:
    """For each curve TTFT and TPOT, p50 and p99, against output tokens/s. Nothing where no level has the figure."""
    runs = repeats(document)
    found = curves(document)
    for index, curve in enumerate(found):
        if len(found) > 1 and len(curve.rows) == 1:
            continue  # one point beside others' lines shows nothing that a table does not
        for metric, short, words in METRICS:
            if any(_spread(row, metric, "p50") for row in curve.rows):
                knee = next((row for row in curve.rows if is_knee(document, row)), None)
                yield Plot(
                    f"{short.lower()}-against-throughput" + (f"-{index + 1}" if index else ""),
                    f"{words} against throughput" + (f", {curve.name}" if curve.name else ""),
                    _caption(curve, short, knee, runs),
                    partial(draw, curve=curve, metric=metric, name=short, knee=knee),
                )


def _caption(curve: Curve, name: str, knee: Row | None, runs: int) -> str:
    words = f"{name} under vLLM's definition, of completed requests. Numbers beside points: {curve.knob}."
    if runs > 1:
        words += f" Points are the median of up to {runs} runs, bars reach from the lowest to the highest."
    if knee:
        words += f" The dotted line is the knee: {knee.name}."
    return words


def _spread(row: Row, metric: str, figure: str) -> Spread | None:
    return row.spread(metric, "vllm", figure) if row.spread("output_tokens_per_second") else None


def draw(figure: Figure, curve: Curve, metric: str, name: str, knee: Row | None) -> None:
    axis = figure.add_subplot()
    rows = [row for row in curve.rows if _spread(row, metric, "p50")]
    for place, colour, marker, dash in LINES:
        points = [(row, s, t) for row in rows if (s := _spread(row, metric, place)) and (t := row.spread("output_tokens_per_second"))]
        _line(axis, points, colour, f"{name} {place}", marker, dash)
    _marks(axis, rows, metric)
    values = [v for place, *_ in LINES for row in rows if (s := _spread(row, metric, place)) for v in (s.low, s.high) if v > 0]
    log = bool(values) and max(values) / min(values) > LOG_FROM
    if log:
        axis.set_yscale("log")
        axis.set_ylim(min(values) / 1.5, max(values) * 1.7)
    else:
        axis.set_ylim(0, max(values, default=1) * 1.15)
    axis.set_xlim(0, max((t.high for row in rows if (t := row.spread("output_tokens_per_second"))), default=1) * 1.08)
    style.thousands(axis, "y", log)
    style.thousands(axis, "x")
    axis.set_xlabel("output tokens/s")
    axis.set_ylabel(f"{name}, ms" + (" (log)" if log else ""))
    style.legend(figure, axis)
    if knee in rows and knee is not None:
        _knee(axis, knee)
    figure.draw_without_rendering()  # labels are placed in the layout that the picture will have
    _name(axis, rows, metric, knee)


def _line(axis: Axes, points: Sequence[tuple[Row, Spread, Spread]], colour: str, name: str, marker: str, dash: str) -> None:
    across, up = [t.median for _, _, t in points], [s.median for _, s, _ in points]
    axis.plot(across, up, dash, marker=marker, color=colour, label=name)
    if any(len(row.levels) > 1 for row, _, _ in points):
        down = [[s.median - s.low for _, s, _ in points], [s.high - s.median for _, s, _ in points]]
        left = [[t.median - t.low for _, _, t in points], [t.high - t.median for _, _, t in points]]
        axis.errorbar(across, up, yerr=down, xerr=left, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5, alpha=0.6)


def _marks(axis: Axes, rows: Sequence[Row], metric: str) -> None:
    """A cross on the upper point of a level with failures, a ring around one that was not run to its end."""
    for wanted, name, look in (
        ([row for row in rows if row.failed], "requests failed", {"marker": "X", "s": 55, "color": style.FAILED, "zorder": 5}),
        ([row for row in rows if row.partial], "level not finished",
         {"marker": "o", "s": 150, "facecolors": "none", "edgecolors": style.FAILED, "linewidths": 1.4, "zorder": 4}),
    ):  # fmt: skip
        points = [
            (t.median, s.median) for row in wanted if (s := _spread(row, metric, "p99")) and (t := row.spread("output_tokens_per_second"))
        ]
        if points:
            axis.scatter([x for x, _ in points], [y for _, y in points], label=name, **look)  # type: ignore[arg-type]


def _knee(axis: Axes, knee: Row) -> None:
    at = knee.median("output_tokens_per_second")
    if at is not None:
        axis.axvline(at, color=style.INK, linestyle=":", linewidth=1.2, zorder=1)
        right = at > axis.get_xlim()[1] / 2
        axis.annotate(
            f"knee: {knee.name}", (at, 1.0), (-5 if right else 5, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right" if right else "left", va="bottom", fontsize=9.7, color=style.INK,
        )  # fmt: skip


def _name(axis: Axes, rows: Sequence[Row], metric: str, knee: Row | None) -> None:
    named = thin(rows, 14, lambda row: row is knee)
    named = sorted(named, key=lambda row: (row is not knee, row is not rows[0] and row is not rows[-1]))
    points, lines = [], []
    for place, *_ in LINES:
        found = [(t, s.median, row) for row in rows if (s := _spread(row, metric, place)) and (t := row.median("output_tokens_per_second"))]
        lines.append([(x, y) for x, y, _ in found])
        lines += [[(x, s.low), (x, s.high)] for x, _, row in found if (s := _spread(row, metric, place)) and s.high > s.low]
        points = [(x, y, row.short) for x, y, row in found if row in named]  # beside the upper line, the last
    if knee and (at := knee.median("output_tokens_per_second")):
        lines.append([(at, limit) for limit in axis.get_ylim()])
    order = {row.short: index for index, row in enumerate(named)}
    places.put(axis, sorted(points, key=lambda point: order[point[2]]), lines, style.SOFT)
