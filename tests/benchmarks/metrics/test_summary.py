from __future__ import annotations

import json

from benchmarks.loadgen.records import Level, Record
from benchmarks.metrics.slo import SLO
from benchmarks.metrics.summary import concurrency, summary
from tests.benchmarks.sample_levels import DELAY, arrivals, closed, level


def test_rates_are_what_completed_requests_brought_over_the_levels_duration() -> None:
    made = level(closed(4, 20), failed=0.2)
    found = summary(made, None)
    done = [record for record in made.records if record.error is None]
    assert 0 < len(done) < 20
    assert found["request_rate"] == round(len(done) / made.seconds, 4)
    assert found["output_tokens_per_second"] == round(32 * len(done) / made.seconds, 4)
    assert found["total_tokens_per_second"] == round((128 + 32) * len(done) / made.seconds, 4)
    assert found["output_events_per_second"] == round(33 * len(done) / made.seconds, 4)


def test_failures_are_counted_by_what_went_wrong() -> None:
    made = level(closed(4, 20), failed=0.2)
    made.records[0].error = "ended early"
    requests = summary(made, None)["requests"]
    assert requests["sent"] == 20 == requests["completed"] + requests["failed"]
    assert requests["errors"]["ended early"] == 1
    assert sum(requests["errors"].values()) == requests["failed"]


def test_latencies_say_of_how_many_requests_they_are() -> None:
    found = summary(level(closed(4, 20), failed=0.2), None)
    assert found["ttft_ms"]["vllm"]["n"] == found["requests"]["completed"]
    assert found["itl_ms"]["vllm"]["n"] == 32 * found["requests"]["completed"]


def test_without_usage_the_tokens_are_counted_in_events_and_that_is_said() -> None:
    made = level(closed(2, 6))
    made.records[1].completion_tokens = None
    found = summary(made, None)
    assert found["output_tokens"] == 6 * 32
    assert found["output_tokens_from"] == {"usage": 5, "events": 1}


def test_a_level_in_which_nothing_completed_has_counts_and_no_latency() -> None:
    found = summary(level(arrivals(5, 8), failed=1.0), SLO(ttft=1.0))
    assert found["requests"] == {"sent": 8, "completed": 0, "failed": 8, "errors": {"status 503": 8}}
    assert found["ttft_ms"] == {"vllm": None, "guidellm": None, "aiperf": None}
    assert found["output_tokens_per_second"] == 0
    assert found["goodput"]["share"] == 0
    json.dumps(found, allow_nan=False)


def test_a_level_without_a_request_does_not_divide_by_0() -> None:
    found = summary(Level(closed(1), [], 0.0, "", DELAY), None)
    assert (found["request_rate"], found["peak_concurrency"], found["mean_concurrency"]) == (0.0, 0, 0.0)


def test_without_limits_there_is_no_goodput() -> None:
    assert summary(level(closed(1, 2)), None)["goodput"] is None


def test_a_closed_loop_keeps_its_concurrency() -> None:
    found = summary(level(closed(8, 80)), None)
    assert found["peak_concurrency"] == 8
    assert 7 < found["mean_concurrency"] <= 8


def test_concurrency_counts_an_end_before_a_start_at_the_same_moment() -> None:
    records = [Record(0, sent=0.0, end=1.0), Record(1, sent=1.0, end=2.0), Record(2, sent=1.5, end=2.0)]
    assert concurrency(records, 2.0) == (2, 1.25)


def test_a_request_without_an_end_is_open_until_the_last_that_came_of_it() -> None:
    records = [Record(0, sent=0.0, times=[0.5, 1.0], error="ended early"), Record(1, sent=0.2, error="no answer in time")]
    assert concurrency(records, 2.0) == (1, 0.5)
