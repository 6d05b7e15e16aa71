"""The levels that the flags ask for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load
from benchmarks.runs.loads import CONCURRENCY, body_fields, loads, named, wanted

NOTHING: dict[str, Any] = {"concurrency": None, "rate": None, "requests": None, "seconds": None, "burstiness": 1.0, "cap": None}


def made(**given: Any) -> list[Load]:
    return loads(**{**NOTHING, **given})


def test_neither_flag_is_a_closed_sweep():
    assert [load.concurrency for load in made()] == list(CONCURRENCY)
    assert {load.mode for load in made()} == {"closed"}


def test_closed_levels_come_before_open_ones():
    found = made(concurrency="1, 8", rate="2,inf")
    assert [named(load) for load in found] == ["concurrency 1", "concurrency 8", "rate 2/s", "all at once"]


def test_a_level_is_long_enough_for_its_load():
    small, large = made(concurrency="1,64")
    assert (small.requests, large.requests) == (32, 512)
    assert all((load.requests or 0) >= (load.concurrency or 0) for load in made(concurrency="20000"))
    assert made(rate="4")[0].requests == 120


def test_requests_and_seconds_are_taken_as_given():
    assert made(concurrency="8", requests=3)[0].requests == 3
    level = made(rate="2", seconds=5.0)[0]
    assert (level.requests, level.seconds) == (None, 5.0)
    assert wanted(level) == 32  # more than will be asked for


def test_an_open_level_may_be_capped():
    assert made(rate="2", cap=4)[0] == Load("open", concurrency=4, rate=2.0, requests=60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate": "0"}, "--rate '0'"),
        ({"rate": "-1"}, "--rate '-1'"),
        ({"rate": "nan"}, "--rate 'nan'"),
        ({"rate": "fast"}, "--rate 'fast'"),
        ({"rate": "1e9"}, "--rate '1e9'"),
        ({"rate": "inf", "seconds": 3.0}, "--requests"),
        ({"concurrency": "0"}, "--concurrency '0'"),
        ({"concurrency": "2.5"}, "--concurrency '2.5'"),
        ({"concurrency": "²"}, "--concurrency '²'"),
        ({"concurrency": ","}, "no level of load"),
        ({"requests": 4, "seconds": 3.0}, "one of them"),
        ({"requests": 0}, "--requests 0"),
        ({"seconds": 0.0}, "--seconds 0"),
        ({"seconds": math.inf}, "--seconds inf"),
        ({"burstiness": 0.0}, "--burstiness 0"),
        ({"cap": 0}, "--max-concurrency 0"),
    ],
    ids=str,
)
def test_what_is_impossible_is_told_with_its_flag(given: dict[str, Any], said: str):
    with pytest.raises(BenchUsageError) as told:
        made(**given)
    assert said in told.value.message


def test_fields_of_the_body_are_json():
    assert body_fields(["top_p=0.9", 'stop=["."]', "logit_bias={}"]) == {"top_p": 0.9, "stop": ["."], "logit_bias": {}}


@pytest.mark.parametrize("word", ["top_p", "=1", "stop=."])
def test_a_field_that_is_not_json_is_told_with_what_to_write(word: str):
    with pytest.raises(BenchUsageError, match="--set"):
        body_fields([word])
