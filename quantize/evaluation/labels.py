"""Where the names of points go in a picture so that none lies over another, over a point or over a line."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

POINT = 7.0  # half the side of the square that a point needs
NEAR, FAR, STEP = 6.0, 170.0, 8.0  # distances at which a place is tried
ANGLES = 24
LEADER = 12.0  # a name farther than this from its point gets a line to it

Segment = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def inside(self, other: Box) -> bool:
        return self.left >= other.left and self.right <= other.right and self.top >= other.top and self.bottom <= other.bottom

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def crossed(self, line: Segment) -> bool:
        """Whether the line has a part inside (Liang and Barsky's clipping)."""
        x, y, x2, y2 = line
        low, high = 0.0, 1.0
        for step, gap in ((x - x2, x - self.left), (x2 - x, self.right - x), (y - y2, y - self.top), (y2 - y, self.bottom - y)):
            if step == 0:
                if gap <= 0:
                    return False
            elif step < 0:
                low = max(low, gap / step)
            else:
                high = min(high, gap / step)
        return low < high


@dataclass(frozen=True)
class Label:
    """`x`, `y` is where the text's baseline starts, ends or has its middle, as `anchor` says (SVG's text-anchor): the side towards the
    point, so that a letter wider than thought grows away from it. `leader` runs from the point to the name, None where it is near."""

    text: str
    x: float
    y: float
    anchor: str
    box: Box
    leader: Segment | None


def place(
    points: Sequence[tuple[float, float]], names: Sequence[str], area: Box, size: float, lines: Sequence[Segment] = ()
) -> list[Label]:
    """One label a point, in their order; `size` is the letters' height, `lines` are lines to stay off. All in the picture's units.

    The most crowded point chooses first, and each takes the nearest free place; where there is none, the one that covers least.
    """
    taken = [Box(x - POINT, y - POINT, x + POINT, y + POINT) for x, y in points]
    leaders: list[Segment] = []
    found: dict[int, Label] = {}
    crowd = {i: sum(math.dist(points[i], other) < 60 for other in points) for i in range(len(points))}
    for number in sorted(crowd, key=lambda i: (-crowd[i], points[i])):
        best: tuple[float, Label] | None = None
        for label in _candidates(*points[number], names[number], size):
            if not label.box.inside(area):
                continue
            cost = 100.0 * sum(label.box.overlaps(box) for box in taken)
            cost += 3.0 * sum(label.box.crossed(line) for line in leaders) + 1.0 * sum(label.box.crossed(line) for line in lines)
            if label.leader:
                own = points[number]  # what lies on the point itself is left by any line
                cost += 3.0 * sum(box.crossed(label.leader) for box in taken if not box.holds(*own))
                cost += 3.0 * sum(_cross(label.leader, other) for other in leaders)
            if best is None or cost < best[0]:
                best = (cost, label)
            if cost == 0:
                break
        if best is None:  # wider than the picture
            best = (0.0, next(_candidates(*points[number], names[number], size)))
        found[number] = best[1]
        taken.append(best[1].box)
        if best[1].leader:
            leaders.append(best[1].leader)
    return [found[number] for number in range(len(points))]


def width(text: str, size: float) -> float:
    """About how wide a sans-serif text is: 0.62 of its height a letter, Korean and other wide letters 1."""
    return size * sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in text)


def _candidates(x: float, y: float, text: str, size: float) -> Iterator[Label]:
    """Places around the point, nearest first; at one distance: right, left, above, below, then between."""
    wide = width(text, size)
    distance = NEAR
    while distance <= FAR:
        for angle in sorted((2 * math.pi * step / ANGLES for step in range(ANGLES)), key=_preference):
            away = POINT + distance
            # the middle of the name, pushed out by as much of its own size as points in that direction
            middle = x + math.cos(angle) * (away + wide / 2), y - math.sin(angle) * (away + size / 2)
            box = Box(middle[0] - wide / 2, middle[1] - size / 2, middle[0] + wide / 2, middle[1] + size / 2)
            end = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
            gap = math.dist((x, y), end)
            leader = (x, y, *end) if gap > LEADER + POINT else None
            anchor, at = ("start", box.left) if box.left > x else ("end", box.right) if box.right < x else ("middle", middle[0])
            yield Label(text, at, box.bottom - size * 0.2, anchor, box, leader)
        distance += STEP


def _preference(angle: float) -> float:
    return min(abs(math.remainder(angle - wanted, 2 * math.pi)) + late for wanted, late in ((0, 0), (math.pi, 0.1), (math.pi / 2, 0.2)))


def _cross(one: Segment, other: Segment) -> bool:
    def side(x: float, y: float, line: Segment) -> float:
        return (line[2] - line[0]) * (y - line[1]) - (line[3] - line[1]) * (x - line[0])

    return (
        side(other[0], other[1], one) * side(other[2], other[3], one) < 0 and side(one[0], one[1], other) * side(one[2], one[3], other) < 0
    )
