"""A picture of two figures of every model, worked out to coordinates; templates/chart.svg.jinja draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quantize.evaluation.labels import Box, Label, Segment, place
from quantize.evaluation.pareto import front

WIDE, NARROW = (620, 420), (360, 400)  # a picture for a screen and one for a phone
LETTERS = 13.0
MARGIN = Box(62, 14, 14, 48)  # left, top, right, bottom


@dataclass(frozen=True)
class Value:
    """One model: `low` and `high` are its interval on the second axis, where there is one."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    baseline: bool = False


@dataclass(frozen=True)
class Axis:
    """`show` words a value, `tick` one beside the axis; `more_is_better` says which way is good."""

    title: str
    show: Callable[[float], str]
    tick: Callable[[float], str]
    more_is_better: bool = False
    unit: float = 1.0  # what round numbers are multiples of


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Point:
    name: str
    x: float
    y: float
    words: str
    baseline: bool
    on_front: bool
    interval: Segment | None
    label: Label


@dataclass(frozen=True)
class Chart:
    title: str
    width: int
    height: int
    area: Box
    x: Axis
    y: Axis
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    points: list[Point]
    front: str  # a path
    better: str  # which corner is good, in words
    names_on_front: list[str]


def draw(title: str, values: Sequence[Value], x: Axis, y: Axis, size: tuple[int, int]) -> Chart:
    """`values` must not be empty. Points keep their order."""
    area = Box(MARGIN.left, MARGIN.top, size[0] - MARGIN.right, size[1] - MARGIN.bottom)
    xs = _scale([v.x for v in values], x.unit)
    ys = _scale([edge for v in values for edge in (v.y, v.low, v.high) if edge is not None], y.unit)

    def to_x(value: float) -> float:
        return area.left + (value - xs[0]) / (xs[-1] - xs[0]) * (area.right - area.left)

    def to_y(value: float) -> float:
        return area.bottom - (value - ys[0]) / (ys[-1] - ys[0]) * (area.bottom - area.top)

    places = [(to_x(v.x), to_y(v.y)) for v in values]
    best = front([(v.x, v.y) for v in values], more_is_better=(x.more_is_better, y.more_is_better))
    steps = _steps([places[i] for i in best], better_down=not y.more_is_better, better_right=x.more_is_better)
    intervals: list[Segment | None] = [
        None if v.low is None or v.high is None else (px, to_y(v.low), px, to_y(v.high)) for v, (px, _) in zip(values, places, strict=True)
    ]
    lines = [*(line for line in intervals if line), *((*a, *b) for a, b in pairwise(steps))]
    labels = place(places, [v.name for v in values], Box(area.left + 2, area.top, area.right, area.bottom - 2), LETTERS, lines)
    points = [
        Point(v.name, px, py, f"{v.name}: {x.show(v.x)}, {y.show(v.y)}", v.baseline, number in best, interval, label)
        for number, (v, (px, py), interval, label) in enumerate(zip(values, places, intervals, labels, strict=True))
    ]
    return Chart(
        title=title,
        width=size[0],
        height=size[1],
        area=area,
        x=x,
        y=y,
        x_ticks=[Tick(to_x(at), x.tick(at)) for at in _thinned(xs, size[0])],
        y_ticks=[Tick(to_y(at), y.tick(at)) for at in ys],
        points=points,
        front="M" + " L".join(f"{px:.1f},{py:.1f}" for px, py in steps) if len(steps) > 1 else "",
        better=f"{'top' if y.more_is_better else 'bottom'} {'right' if x.more_is_better else 'left'}",
        names_on_front=[values[i].name for i in best],
    )


def _scale(values: Sequence[float], unit: float) -> list[float]:
    """Round numbers that span the values with a little room; from 0 unless the values lie close together far from it."""
    low, high = min(values), max(values)
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    room = (high - low or abs(high) or unit) * 0.06
    step = _round_step((high - low + 2 * room) / 5, unit)
    first = math.floor((low - (room if low > 0 else 0)) / step)
    last = max(math.ceil((high + room) / step), first + 1)
    return [number * step for number in range(first, last + 1)]


def _round_step(about: float, unit: float) -> float:
    """1, 2 or 5 times a power of ten of `unit`, not below `about`."""
    power: float = 10 ** math.floor(math.log10(about / unit)) * unit
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= about * 0.999)


def _thinned(ticks: list[float], width: int) -> list[float]:
    return ticks[::2] if len(ticks) * 62 > width else ticks


def _steps(best: list[tuple[float, float]], *, better_down: bool, better_right: bool) -> list[tuple[float, float]]:
    """The border of what the front dominates: from each of its points on, what is reachable is no better than that point."""
    path: list[tuple[float, float]] = []
    ordered = sorted(best)
    for number, point in enumerate(ordered):
        if number:
            before = ordered[number - 1]
            path.append((before[0], point[1]) if better_right else (point[0], before[1]))
        path.append(point)
    return path
