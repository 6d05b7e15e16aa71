"""The run as it went: open requests and output tokens/s over time, level after level, with every failure marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.reports.levels import Document, Entry, curves, load_name, thin
from benchmarks.reports.plots import samples, style
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 1500  # along the whole picture
BINS = 320  # of the pace, along the whole picture
MARKS = 300  # failures drawn, at most


def plots(document: Document) -> Iterator[Plot]:
    """One picture a curve: the first run of each of its levels. Nothing without raw samples."""
    for index, curve in enumerate(curves(document)):
        levels = [row.levels[0] for row in curve.rows if row.levels[0].get("requests")]
        if not levels:
            continue
        words = "Levels one after another, time between them left out."
        if any(len(row.levels) > 1 for row in curve.rows):
            words += " The first run of each."
        failed = sum(len(samples.failures(level)) for level in levels)
        if failed:
            words += (
                f" Crosses: requests that failed, at the moment they did ({failed:,}{f'; {MARKS} are drawn' if failed > MARKS else ''})."
            )
        if any(level.get("partial") for level in levels):
            words += " A level named with … was not run to its end."
        yield Plot(
            "timeline" + (f"-{index + 1}" if index else ""),
            "Timeline" + (f", {curve.name}" if curve.name else ""),
            words,
            partial(draw, levels=levels),
            height=4.4,
        )


def draw(figure: Figure, levels: Sequence[Entry]) -> None:
    import numpy

    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    spans = [_seconds(level) for level in levels]
    total = sum(spans)
    begin, failed = 0.0, []
    for place, (level, span) in enumerate(zip(levels, spans, strict=True)):
        points = max(12, round(POINTS * span / total))
        at = numpy.linspace(0, span, points)
        above.step(begin + at, samples.open_requests(level, at), where="post", color=style.BLUE, linewidth=1.1)
        edges = numpy.linspace(0, span, max(6, min(round(BINS * span / total), 60, _bins(level))))
        below.stairs(samples.pace(level, edges), begin + edges, color=style.GREEN, fill=True, alpha=0.35, linewidth=0)
        below.stairs(samples.pace(level, edges), begin + edges, color=style.GREEN, linewidth=1.1)
        failed += [begin + moment for moment in samples.failures(level)]
        if place % 2:
            for axis in (above, below):
                axis.axvspan(begin, begin + span, color=style.SOFT, alpha=0.09, linewidth=0)
        begin += span
    if failed:
        moments = thin(sorted(failed), MARKS)
        above.plot(moments, [0.94] * len(moments), "x", color=style.FAILED, transform=above.get_xaxis_transform(), markersize=6)
    for axis in (above, below):
        axis.set_ylim(0, axis.get_ylim()[1] * (1.1 if axis is above and failed else 1.0))
        style.thousands(axis)
        axis.grid(visible=False, axis="x")
    above.set_xlim(0, total)
    style.thousands(below, "x")
    above.set_ylabel("open requests")
    below.set_ylabel("output tokens/s")
    below.set_xlabel("seconds, level after level")
    above.set_title(" ", fontsize=9)  # room for the names
    figure.align_ylabels([above, below])
    figure.draw_without_rendering()
    _name(above, levels, spans)


def _seconds(level: Entry) -> float:
    """How long the level took, to its last answer; never 0."""
    ends: list[float] = [r["end"] if r.get("end") is not None else r["sent"] for r in level["requests"]]
    return max(float(level.get("seconds") or 0), *ends, 1e-3)


def _bins(level: Entry) -> int:
    """So many that an interval holds some 30 events: fewer, and the pace is noise."""
    return 2 + sum(len(request.get("times_ms") or ()) for request in level["requests"]) // 30


def _name(axis: Axes, levels: Sequence[Entry], spans: Sequence[float]) -> None:
    """Each level's load above its part, in full where that fits; else its number alone, where it stands clear of the one before."""
    figure = axis.get_figure(root=True)
    assert figure is not None
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    begin, last = 0.0, float("-inf")
    for level, span in zip(levels, spans, strict=True):
        left, right = (axis.transData.transform((x, 0))[0] for x in (begin, begin + span))
        name = load_name(level["load"])
        more = " …" if level.get("partial") else ""
        for text in (name + more, name.split()[0] + more):
            label = axis.annotate(
                text, (begin + span / 2, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                va="bottom", fontsize=9, color=style.SOFT,
            )  # fmt: skip
            label.set_in_layout(False)
            box = label.get_window_extent(renderer)
            if box.x0 > last + 5 and (box.width <= right - left - 2 or text != name + more):
                last = float(box.x1)
                break
            label.remove()
        begin += span
