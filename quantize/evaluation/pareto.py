"""Which models nothing else beats on both counts."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]], *, more_is_better: tuple[bool, bool] = (False, False)) -> list[int]:
    """Places of the points that no other one dominates, by rising first coordinate. One dominates another when it is at least as
    good on both and better on one; equal points do not dominate each other."""
    signs = [-1 if more else 1 for more in more_is_better]
    costs = [(signs[0] * x, signs[1] * y) for x, y in points]
    kept = [place for place, (x, y) in enumerate(costs) if not any(other != (x, y) and other[0] <= x and other[1] <= y for other in costs)]
    return sorted(kept, key=lambda place: points[place])
