from hypothesis import given
from hypothesis import strategies as st

from quantize.evaluation.pareto import front

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def test_less_of_both_is_better():
    assert front([(2, 5), (3, 3), (4, 4), (6, 1)]) == [0, 1, 3]


def test_more_speed_and_less_difference():
    assert front([(100, 0.0), (90, 0.1), (200, 0.3), (150, 0.4)], more_is_better=(True, False)) == [0, 2]


def test_equal_points_do_not_push_each_other_off():
    assert front([(1, 1), (1, 1), (2, 2)]) == [0, 1]


@given(POINTS)
def test_what_is_off_the_front_is_beaten_by_something_on_it(points):
    best = {points[i] for i in front(points)}
    for point in points:
        beaten = any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in best)
        assert beaten != (point in best)
