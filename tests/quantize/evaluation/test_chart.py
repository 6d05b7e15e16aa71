import pytest

from quantize.evaluation.chart import NARROW, WIDE, Axis, Value, draw

X = Axis("Size", lambda v: f"{v} MiB", lambda v: f"{v:g}")
Y = Axis("Difference", lambda v: f"{v}", lambda v: f"{v:g}", unit=0.001)
VALUES = [Value("demo", 5.5, 0.0, baseline=True), Value("gptq", 2.2, 0.11, 0.10, 0.12), Value("int8", 3.3, 0.02), Value("bad", 3.4, 0.2)]


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_everything_lies_inside_the_picture(size):
    chart = draw("t", VALUES, X, Y, size)
    for point in chart.points:
        assert chart.area.left <= point.x <= chart.area.right
        assert chart.area.top <= point.y <= chart.area.bottom
        assert point.label.box.inside(chart.area)
    assert all(chart.area.left <= tick.at <= chart.area.right for tick in chart.x_ticks)


def test_points_lie_where_the_ticks_say():
    chart = draw("t", VALUES, X, Y, WIDE)
    at = {float(tick.text): tick.at for tick in chart.x_ticks}
    (low, low_at), (high, high_at) = min(at.items()), max(at.items())
    for value, point in zip(VALUES, chart.points, strict=True):
        assert low + (point.x - low_at) / (high_at - low_at) * (high - low) == pytest.approx(value.x)


def test_a_smaller_difference_is_lower_down_and_an_interval_is_around_its_point():
    demo, gptq, *_ = draw("t", VALUES, X, Y, WIDE).points
    assert demo.y > gptq.y
    assert gptq.interval[1] > gptq.y > gptq.interval[3]


def test_the_front_is_named_and_drawn():
    chart = draw("t", VALUES, X, Y, WIDE)
    assert chart.names_on_front == ["gptq", "int8", "demo"]
    assert [point.name for point in chart.points if point.on_front] == ["demo", "gptq", "int8"]
    assert chart.front.count("L") == 4
    assert chart.better == "bottom left"


def test_more_speed_is_better():
    speed = Axis("Speed", str, str, more_is_better=True)
    assert draw("t", VALUES, speed, Y, WIDE).names_on_front == ["demo"]


def test_values_far_from_zero_have_an_axis_of_their_own():
    chart = draw("t", [Value("a", 900, 0.1), Value("b", 1000, 0.2)], X, Y, WIDE)
    assert float(chart.x_ticks[0].text) > 500


@pytest.mark.parametrize("values", [[Value("only", 3.0, 0.0)], [Value("a", 3.0, 0.1), Value("b", 3.0, 0.1)], [Value("a", 0.0, 0.0)]])
def test_one_point_and_equal_points_can_be_drawn(values):
    chart = draw("t", values, X, Y, WIDE)
    assert len(chart.x_ticks) >= 2
    assert len(chart.points) == len(values)
