"""Repeats of one load are one row, loads of one kind one curve, and figures read alike everywhere."""

from __future__ import annotations

import pytest

from benchmarks.reports.levels import Spread, curves, is_knee, load_name, number, repeats, thin
from tests.benchmarks.sample_levels import arrivals, bench, closed


def test_repeats_of_a_load_are_one_row_in_order_of_load():
    (curve,) = curves(bench([closed(8), closed(1), closed(2)], repeat=3))
    assert [(row.name, len(row.levels)) for row in curve.rows] == [("1 at once", 3), ("2 at once", 3), ("8 at once", 3)]


def test_closed_and_open_loads_are_curves_of_their_own():
    found = curves(bench([closed(1), arrivals(2.0), closed(2)]))
    assert [(curve.name, len(curve.rows)) for curve in found] == [("by concurrency", 2), ("by rate", 1)]


def test_a_figure_is_the_median_of_the_repeats_with_lowest_and_highest():
    document = bench([closed(1)], repeat=3)
    for level, value in zip(document["levels"], (30.0, 10.0, 17.0), strict=True):
        level["summary"]["request_rate"] = value
    assert curves(document)[0].rows[0].spread("request_rate") == Spread(17.0, 10.0, 30.0)


def test_a_figure_that_no_repeat_has_is_none():
    document = bench([closed(2)], failed=1.0)
    assert curves(document)[0].rows[0].spread("ttft_ms", "vllm", "p50") is None


def test_failures_are_summed_over_the_repeats():
    document = bench([closed(2, requests=10)], failed=1.0, repeat=2)
    row = curves(document)[0].rows[0]
    assert (row.failed, row.errors) == (20, {"status 503": 20})


def test_a_document_without_levels_has_no_curves():
    assert curves({"levels": []}) == []
    assert repeats({}) == 0


def test_the_knee_is_found_at_its_load_only():
    document = bench([closed(4), closed(8)]) | {"knee": {"mode": "closed", "at": {"concurrency": 8}}}
    assert [is_knee(document, row) for row in curves(document)[0].rows] == [False, True]


@pytest.mark.parametrize(
    ("load", "name"),
    [
        ({"mode": "closed", "concurrency": 1024}, "1,024 at once"),
        ({"mode": "open", "rate": 2.5}, "2.50 req/s"),
        ({"mode": "open", "rate": "inf", "concurrency": 64}, "all at once, at most 64 open"),
        ({"mode": "open", "rate": 3, "burstiness": 0.5}, "3 req/s, burstiness 0.500"),
    ],
)
def test_a_load_has_a_name(load, name):
    assert load_name(load) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (3, "3"),
        (0.01234, "0.0123"),
        (0.9999, "1.00"),
        (45.67, "45.7"),
        (99.96, "100"),
        (4570.4, "4,570"),
    ],
)
def test_a_figure_has_three_significant_digits(value, text):
    assert number(value) == text


def test_thinned_items_keep_the_ends_and_what_must_stay():
    assert thin(list(range(100)), 4, lambda item: item == 7)[0] == 0
    assert {7, 99} <= set(thin(list(range(100)), 4, lambda item: item == 7))
    assert len(thin(list(range(100)), 12)) == 12
    assert thin([1, 2], 12) == [1, 2]


def test_subjects_that_one_round_ran_are_curves_of_their_own():
    document = bench([closed(1), closed(2)], repeat=2)
    for place, level in enumerate(document["levels"]):
        level["prompt_set"] = ("none", "draft")[place % 2]
        level["load"]["concurrency"] = 4
    (none, draft) = curves(document)
    assert [(curve.name, [(row.full, len(row.levels)) for row in curve.rows]) for curve in (none, draft)] == [
        ("none", [("none, 4 at once", 2)]),
        ("draft", [("draft, 4 at once", 2)]),
    ]


def test_prompts_drawn_anew_for_each_round_are_repeats():
    document = bench([closed(1)], repeat=2)
    assert [level["prompt_set"] for level in document["levels"]] == ["set 0", "set 1"]
    assert [len(row.levels) for row in curves(document)[0].rows] == [2]


def test_models_and_flags_of_a_sweep_are_curves_of_their_own_named_by_what_differs():
    document = bench([closed(1)], repeat=3)
    for level, flags in zip(document["levels"], ("plain", "chunked", "plain"), strict=True):
        level |= {"model": "demo", "flags": flags}
    assert [(curve.name, len(curve.rows[0].levels)) for curve in curves(document)] == [("plain", 2), ("chunked", 1)]
