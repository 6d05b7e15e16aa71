import pytest

from benchmarks.loadgen.records import Delay, Level, Load, Record
from benchmarks.loadgen_pace import measured


def level(*records, cpu=0.5, seconds=2.0):
    return Level(Load("closed", concurrency=1, seconds=2.0), list(records), seconds, "", Delay(0.1, 0.2, 0.3, 0.1, 0.2, 0.3, cpu))


def test_figures_are_of_the_generators_own_cpu_time():
    found = measured(level(Record(0, times=[0.1, 0.1, 0.2, 0.3]), Record(1, times=[0.1] * 6)), 0.4, 1.0)
    assert (found["events_per_second"], found["events_per_core_second"], found["cpu_us_per_event"]) == (5, 10, 100_000)
    assert (found["events_per_read"], found["server_cpu"]) == (2.5, 0.2)


@pytest.mark.parametrize(
    ("cpu", "server", "pace", "limit"),
    [(1.0, 2.0, 0.0, "generator"), (0.9, 2.0, 0.0, "server"), (0.5, 1.0, 2.0, "pace"), (0.9, 1.8, 0.0, "neither")],
)
def test_the_side_whose_core_is_full_is_the_limit(cpu, server, pace, limit):
    assert measured(level(Record(0, times=[0.1]), cpu=cpu), server, pace)["limit"] == limit


def test_a_failed_answer_is_no_figure():
    with pytest.raises(RuntimeError, match="answer 1 failed: ended early"):
        measured(level(Record(0, times=[0.1]), Record(1, error="ended early")), 0.1, 0.0)
