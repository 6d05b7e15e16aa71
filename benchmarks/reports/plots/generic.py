"""The pictures that a document brings itself: lines, bars or points of any figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.reports.levels import Document, number
from benchmarks.reports.plots import style
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED_BARS = 16  # above that their heights are not written on them
MARKED = 40  # points of a line; above that they are not marked
MEASURED_TICKS = 8  # places on the x axis; above that its ticks are round numbers


def plots(document: Document) -> Iterator[Plot]:
    """document["pictures"], in their order."""
    for index, picture in enumerate(document.get("pictures") or [], 1):
        series = len(picture.get("series") or [])
        height = style.HEIGHT + 0.2 * max(0, (series - 1) // 3)
        yield Plot(
            f"picture-{index}", str(picture.get("title") or ""), str(picture.get("caption") or ""), partial(draw, picture=picture), height
        )


def draw(figure: Figure, picture: Mapping[str, Any]) -> None:
    """Points without a figure are left out; x of words stands in the order in which the words first come."""
    series = [(str(one.get("name") or ""), _points(one)) for one in picture.get("series") or []]
    if not any(points for _, points in series):
        style.empty(figure, "No figures: nothing of this was measured.")
        return
    axis = figure.add_subplot()
    words = list(dict.fromkeys(str(x) for _, points in series for x, _ in points))
    named = picture.get("kind") == "bar" or any(isinstance(x, str) for _, points in series for x, _ in points)
    _scales(axis, picture, series, named)
    if picture.get("kind") == "bar":
        _bars(axis, series, words)
    else:
        for place, (name, points) in enumerate(series):
            across = [words.index(str(x)) if named else float(x) for x, _ in points]
            dash = "none" if picture.get("kind") == "scatter" else style.DASHES[place // len(style.PALETTE) % 4]
            colour, marker = style.PALETTE[place % len(style.PALETTE)], style.MARKERS[place % len(style.MARKERS)]
            many = len(points) > MARKED and dash != "none"
            look = {"linewidth": 1.2} if many else {"marker": marker}
            axis.plot(across, [y for _, y in points], linestyle=dash, color=colour, label=name or None, **look)
    if named:
        _words(figure, axis, words)
    else:
        places = sorted({float(x) for _, points in series for x, _ in points})
        if len(places) <= MEASURED_TICKS:
            style.ticks_at(axis, places, axis.get_xscale() == "log")
        else:
            style.thousands(axis, "x", axis.get_xscale() == "log")
    style.thousands(axis, "y", axis.get_yscale() == "log")
    axis.set_xlabel(str((picture.get("x") or {}).get("title") or ""))
    axis.set_ylabel(str((picture.get("y") or {}).get("title") or ""))
    style.legend(figure, axis)


def _points(series: Mapping[str, Any]) -> list[tuple[Any, float]]:
    points = [(point[0], point[1]) for point in series.get("points") or []]
    return [
        (x, float(y))
        for x, y in points
        if x is not None and isinstance(y, int | float) and math.isfinite(y) and (isinstance(x, str) or math.isfinite(x))
    ]


def _scales(axis: Axes, picture: Mapping[str, Any], series: Sequence[tuple[str, list[tuple[Any, float]]]], named: bool) -> None:
    """Logarithmic where the document says so and every figure is above 0; else from 0, where nothing is below."""
    up = [y for _, points in series for _, y in points]
    log = (picture.get("y") or {}).get("log") and min(up) > 0
    if log:
        axis.set_yscale("log")
        axis.set_ylim(min(up) / 1.6, max(up) * 1.6)
    else:
        room = 1.12 if max(up) > 0 else 0.0
        axis.set_ylim(1.12 * min(0.0, *up), max(up) * room or 1.0)
    if not named and (picture.get("x") or {}).get("log") and min(float(x) for _, points in series for x, _ in points) > 0:
        axis.set_xscale("log")


def _bars(axis: Axes, series: Sequence[tuple[str, list[tuple[Any, float]]]], words: Sequence[str]) -> None:
    """Bars of one x side by side."""
    wide = 0.8 / len(series)
    labelled = sum(len(points) for _, points in series) <= LABELLED_BARS
    for place, (name, points) in enumerate(series):
        across = [words.index(str(x)) + (place - (len(series) - 1) / 2) * wide for x, _ in points]
        colour = style.PALETTE[place % len(style.PALETTE)]
        hatch = "" if place < len(style.PALETTE) else "//"
        bars = axis.bar(across, [y for _, y in points], wide * 0.92, color=colour, hatch=hatch, label=name or None)
        if labelled:
            axis.bar_label(bars, [number(y) for _, y in points], padding=2, fontsize=8.8, color=style.SOFT)
    axis.grid(visible=False, axis="x")


def _words(figure: Figure, axis: Axes, words: Sequence[str]) -> None:
    """The words under their places; turned where they would touch each other."""
    axis.set_xticks(range(len(words)), words)
    axis.set_xlim(-0.6, len(words) - 0.4)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
    if any(left.x1 + 4 > right.x0 for left, right in pairwise(boxes)):
        for label in axis.get_xticklabels():
            label.set(rotation=35, ha="right", rotation_mode="anchor")
