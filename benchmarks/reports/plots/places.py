"""Labels beside points of a picture, none on top of another: the first free place of eight around its point, or no label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# (dx, dy) in points, and the alignment of the text there
AROUND = (
    (0, 7, "center", "bottom"), (7, 4, "left", "bottom"), (7, -4, "left", "top"), (-7, 4, "right", "bottom"),
    (0, -7, "center", "top"), (-7, -4, "right", "top"), (9, 0, "left", "center"), (-9, 0, "right", "center"),
)  # fmt: skip


def put(axis: Axes, points: Sequence[tuple[float, float, str]], lines: Sequence[Sequence[tuple[float, float]]], colour: str) -> int:
    """Write each (x, y, text) beside its point. `lines`: through data points; no label covers one. The first points come first.

    The axes must have their final limits and the figure its layout. Returns how many labels found a place.
    """
    figure = axis.get_figure(root=True)
    assert figure is not None
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    frame, full = axis.get_window_extent(renderer), [box for line in lines for box in _boxes(axis, line)]
    placed = 0
    for x, y, text in points:
        for dx, dy, ha, va in AROUND:
            label = axis.annotate(
                text, (x, y), (dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=9, color=colour, annotation_clip=False
            )
            box: Bbox = label.get_window_extent(renderer).expanded(1.04, 1.04)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 12 and frame.y0 <= box.y0 and box.y1 <= frame.y1 + 4
            if inside and not any(box.overlaps(other) for other in full):
                label.set_in_layout(False)
                full.append(box)
                placed += 1
                break
            label.remove()
    return placed


def _boxes(axis: Axes, line: Sequence[tuple[float, float]]) -> Iterator[Bbox]:
    """What a line and its markers cover, in pixels: a box around each point, and small ones between."""
    from matplotlib.transforms import Bbox

    places = [(float(x), float(y)) for x, y in axis.transData.transform(list(line))] if line else []
    for x, y in places:
        yield Bbox.from_bounds(x - 4, y - 4, 8, 8)
    for (x0, y0), (x1, y1) in pairwise(places):
        steps = int(max(abs(x1 - x0), abs(y1 - y0)) / 4)
        for step in range(1, steps):
            yield Bbox.from_bounds(x0 + (x1 - x0) * step / steps - 1, y0 + (y1 - y0) * step / steps - 1, 2, 2)
