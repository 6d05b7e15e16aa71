"""Labels beside points never lie on each other."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.reports.plots import places


def test_labels_of_crowded_points_do_not_overlap_and_the_first_has_its_place():
    figure = Figure(figsize=(5, 3))
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    points = [(1 + step / 50, 1 + step / 50, f"{2**step}") for step in range(12)]
    axis.plot([x for x, _, _ in points], [y for _, y, _ in points])
    axis.set(xlim=(0, 3), ylim=(0, 3))
    placed = places.put(axis, points, [[(x, y) for x, y, _ in points]], "black")
    boxes = [text.get_window_extent() for text in axis.texts]
    assert len(boxes) == placed >= 3
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert axis.texts[0].get_text() == "1"
