import math
import random

import pytest

from quantize.evaluation.labels import POINT, Box, place, width

AREA = Box(60, 10, 610, 370)
NAMES = ["demo", "gptq", "awq", "bnb-int8", "bnb-nf4", "int8", "int8-dynamic", "w8a8", "fp8", "gptq-ct", "awq-ct", "rtn"]


def free_of_each_other(labels, points):
    boxes = [label.box for label in labels]
    squares = [Box(x - POINT, y - POINT, x + POINT, y + POINT) for x, y in points]
    apart = not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    return apart and not any(box.overlaps(square) for box in boxes for square in squares)


def test_a_name_stands_beside_its_point():
    (label,) = place([(200, 200)], ["gptq"], AREA, 13)
    assert label.leader is None
    assert label.x > 200
    assert label.box.right - label.box.left == pytest.approx(width("gptq", 13))


def test_at_the_right_edge_a_name_stays_inside():
    (label,) = place([(608, 200)], ["int8-dynamic"], AREA, 13)
    assert label.box.inside(AREA)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("spread", [3, 25, 120])
def test_twelve_names_of_points_close_together_cover_nothing(seed, spread):
    draw = random.Random(seed)
    points = [(draw.gauss(300, spread), draw.gauss(190, spread)) for _ in NAMES]
    points = [(min(max(x, 70), 600), min(max(y, 20), 360)) for x, y in points]
    labels = place(points, NAMES, AREA, 13)
    assert free_of_each_other(labels, points)
    assert all(label.box.inside(AREA) for label in labels)


@pytest.mark.parametrize("seed", range(10))
def test_on_a_phone_too(seed):
    draw = random.Random(seed)
    area = Box(60, 10, 346, 352)
    points = [(draw.gauss(130, 12), draw.gauss(250, 30)) for _ in NAMES]
    labels = place(points, NAMES, area, 13)
    assert free_of_each_other(labels, points)


def test_a_name_far_from_its_point_has_a_line_to_it():
    points = [(300.0, 200.0)] * 8
    labels = place(points, NAMES[:8], AREA, 13)
    assert free_of_each_other(labels, points)
    led = [label for label in labels if label.leader]
    assert led
    assert all(math.dist(label.leader[:2], (300, 200)) == 0 for label in led)


def test_lines_are_kept_clear_where_there_is_room():
    (label,) = place([(200, 200)], ["gptq"], AREA, 13, [(200, 200, 600, 200)])
    assert not label.box.crossed((200, 200, 600, 200))


def test_korean_letters_are_as_wide_as_they_are_high():
    assert width("한글", 10) == 20


@pytest.mark.parametrize(
    ("line", "crossed"),
    [((0, 5, 20, 5), True), ((0, 0, 20, 20), True), ((0, 30, 20, 30), False), ((5, 0, 5, 3), False), ((4, 4, 6, 6), True)],
)
def test_a_line_crosses_a_box_or_not(line, crossed):
    assert Box(4, 4, 10, 10).crossed(line) is crossed
