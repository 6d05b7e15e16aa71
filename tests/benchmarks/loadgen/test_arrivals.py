import itertools
import math
import statistics

import pytest

from benchmarks.loadgen.arrivals import arrivals
from benchmarks.loadgen.records import Load


def spread_of_gaps(burstiness):
    """(mean, coefficient of variation) of 20,000 gaps at a rate of 10."""
    times = list(itertools.islice(arrivals(Load("open", rate=10, seconds=1, burstiness=burstiness), 1), 20_000))
    gaps = [b - a for a, b in itertools.pairwise([0.0, *times])]
    return statistics.fmean(gaps), statistics.stdev(gaps) / statistics.fmean(gaps)


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gaps_have_the_mean_and_the_spread_of_their_gamma_distribution(burstiness):
    mean, variation = spread_of_gaps(burstiness)
    assert mean == pytest.approx(0.1, rel=0.05)
    assert variation == pytest.approx(1 / math.sqrt(burstiness), rel=0.05)


def test_an_infinite_burstiness_is_a_fixed_beat():
    assert list(arrivals(Load("open", rate=10, requests=3, burstiness=math.inf), 0)) == pytest.approx([0.1, 0.2, 0.3])


def test_a_number_of_requests_ends_at_the_time_the_rate_says():
    times = list(arrivals(Load("open", rate=8, requests=40), 3))
    assert len(times) == 40
    assert times == sorted(times)
    assert times[-1] == pytest.approx(5.0)


def test_a_seed_gives_the_same_arrivals_and_another_one_others():
    load = Load("open", rate=8, requests=40)
    assert list(arrivals(load, 3)) == list(arrivals(load, 3)) != list(arrivals(load, 4))


def test_a_rate_of_inf_is_all_at_once():
    assert list(arrivals(Load("open", rate=math.inf, requests=3), 0)) == [0.0, 0.0, 0.0]
