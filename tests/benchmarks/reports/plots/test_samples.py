"""Samples of the pictures: all of them, and the tail as it is."""

from __future__ import annotations

import numpy
import pytest

from benchmarks.reports.plots import samples
from tests.benchmarks.sample_levels import bench, closed


def test_ttft_and_itl_are_those_of_the_summary():
    (level,) = bench([closed(4)])["levels"]
    assert float(numpy.median(samples.ttft_ms([level]))) == pytest.approx(level["summary"]["ttft_ms"]["vllm"]["p50"], abs=0.01)
    assert float(numpy.median(samples.itl_ms([level]))) == pytest.approx(level["summary"]["itl_ms"]["vllm"]["p50"], abs=0.02)


def test_failed_requests_give_no_latency_and_are_marked_when_they_ended():
    (level,) = bench([closed(1, requests=5)], failed=1.0)["levels"]
    assert len(samples.ttft_ms([level])) == len(samples.itl_ms([level])) == 0
    assert samples.failures(level) == [request["end"] for request in level["requests"]]


def test_a_distribution_of_many_samples_keeps_both_ends_and_the_20_highest():
    values = numpy.random.default_rng(0).exponential(10, 50_000)
    drawn, shares = samples.ecdf(values, 400)
    assert len(drawn) == 400
    assert (drawn[0], drawn[-1], shares[-1]) == (values.min(), values.max(), 1.0)
    assert list(drawn[-20:]) == sorted(values)[-20:]
    at = float(drawn[200])
    assert shares[200] == pytest.approx(float((values <= at).mean()))


def test_the_pace_adds_up_to_all_tokens():
    (level,) = bench([closed(4)])["levels"]
    edges = numpy.linspace(0, level["seconds"] + 1, 50)
    assert float((samples.pace(level, edges) * numpy.diff(edges)).sum()) == pytest.approx(level["summary"]["output_tokens"])


def test_open_requests_are_those_sent_and_not_ended():
    level = {"requests": [{"sent": 0.0, "end": 2.0}, {"sent": 1.0, "end": 3.0}, {"sent": 1.5, "end": None}]}
    assert list(samples.open_requests(level, numpy.asarray([0.5, 1.2, 1.6, 2.5, 9.0]))) == [1, 2, 3, 2, 1]
