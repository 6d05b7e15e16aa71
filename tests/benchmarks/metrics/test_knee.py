from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.loadgen.records import Load
from benchmarks.metrics.knee import knee
from tests.benchmarks.sample_levels import arrivals, bench, closed


def sweep(*concurrency: int, **server: Any) -> dict[str, Any]:
    found = knee(bench([closed(n, max(64, 4 * n)) for n in concurrency], **server)["levels"])
    assert found is not None
    json.dumps(found, allow_nan=False)
    return found


def rates(*rate: float, requests: int = 300, **server: Any) -> dict[str, Any]:
    found = knee(bench([arrivals(r, requests) for r in rate], **server)["levels"])
    assert found is not None
    json.dumps(found, allow_nan=False)
    return found


@pytest.mark.parametrize("slots", [4, 8, 16])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_closed_sweep_has_its_knee_where_all_places_are_taken(slots: int, seed: int) -> None:
    found = sweep(1, 2, 4, 8, 16, 32, 64, slots=slots, seed=seed)
    assert found["at"] == {"concurrency": slots} == {"concurrency": found["power"]["concurrency"]}
    assert found["mode"] == "closed"


def test_between_measured_levels_the_knee_is_the_next_one_above() -> None:
    assert sweep(1, 4, 12, 32, slots=8)["at"] == {"concurrency": 12}


def test_the_reason_holds_the_figures() -> None:
    found = sweep(1, 4, 8, 16, 32)
    assert found["why"].startswith("from 8 to 16 requests at once output tokens/s grow ")
    assert f"{found['throughput']:.4g} to " in found["why"]
    assert f"{found['latency_ms']:.4g} to " in found["why"]


def test_a_sweep_that_still_grows_has_no_knee_and_says_by_how_much() -> None:
    found = sweep(1, 2, 4, 8, slots=64)
    assert found["at"] is None
    assert found["reason"] == found["why"]
    assert found["why"].startswith("not reached: output tokens/s still grow ")
    assert found["why"].endswith("from 4 to 8 requests at once: add higher levels")


def test_two_levels_close_together_do_not_make_a_knee() -> None:
    assert sweep(1, 4, 8, 9, slots=8)["at"] is None


def test_noise_between_close_levels_does_not_move_the_knee() -> None:
    document = bench([closed(n) for n in (1, 4, 8, 9, 16, 32)])
    for level, throughput in zip(document["levels"], (90, 300, 500, 515, 505, 500), strict=True):
        level["summary"]["output_tokens_per_second"] = throughput  # 3 % from 8 to 9 is 19 % a doubling
    found = knee(document["levels"])
    assert found is not None
    assert found["at"] == {"concurrency": 8}


def test_a_server_that_is_full_with_one_request_has_its_knee_there() -> None:
    found = sweep(1, 2, 4, slots=1)
    assert found["at"] == {"concurrency": 1}
    assert "add lower levels" not in found["why"]


def test_a_sweep_that_starts_past_the_knee_says_so() -> None:
    assert "add lower levels" in sweep(16, 32, 64, slots=8)["why"]


def test_the_knee_is_of_medians_over_repeats() -> None:
    document = bench([closed(n) for n in (1, 4, 8, 16, 32)], repeat=3)
    spoiled = next(level for level in document["levels"] if level["load"]["concurrency"] == 4 and level["repeat"] == 1)
    spoiled["summary"]["output_tokens_per_second"] *= 100
    found = knee(document["levels"])
    assert found is not None
    assert found["at"] == {"concurrency": 8}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_open_sweep_has_its_knee_below_the_capacity(seed: int) -> None:
    """The capacity is 8 / (0.04 + 31 * 0.015) = 15.8 requests/s."""
    found = rates(2, 4, 8, 20, 40, seed=seed)
    assert found["at"] == {"rate": 8}
    assert "at 20 requests/s the server" in found["why"]
    assert found["mode"] == "open"


def test_few_arrivals_that_came_slower_than_asked_are_no_saturation() -> None:
    found = rates(1, 2, 4, requests=12)
    assert [point["answered"] > 0.95 for point in found["points"]] == [True] * 3
    assert found["why"].startswith("not reached: at 4 requests/s, the highest rate, the server still answers ")


def test_an_open_sweep_above_the_capacity_asks_for_lower_rates() -> None:
    found = rates(30, 40, 80)
    assert found["at"] is None
    assert found["why"].startswith("not found: even at 30 requests/s the server answers ")
    assert found["why"].endswith("add lower rates")


def test_a_queue_before_the_engine_ends_the_open_sweep_though_it_keeps_up() -> None:
    document = bench([arrivals(r) for r in (2, 4, 6, 8)])
    for level in document["levels"]:
        level["summary"]["ttft_ms"]["vllm"]["p99"] = 900.0 if level["load"]["rate"] == 8 else 90.0
    found = knee(document["levels"])
    assert found is not None
    assert found["at"] == {"rate": 6}
    assert "p99 TTFT of 900 ms, 10.0 times that at 2" in found["why"]


@pytest.mark.parametrize("loads", [[closed(1), closed(8)], [arrivals(2)]])
def test_fewer_than_three_levels_have_no_knee(loads: list[Load]) -> None:
    found = knee(bench(loads)["levels"])
    assert found is not None
    assert found["at"] is None
    assert f"{len(loads)} level" in found["why"]


def test_both_modes_of_one_run_have_their_knee() -> None:
    loads = [closed(n) for n in (1, 4, 8, 16, 32)] + [arrivals(r, 300) for r in (2, 8, 20)]
    found = knee(bench(loads)["levels"])
    assert found is not None
    assert (found["at"], found["other"]["at"]) == ({"concurrency": 8}, {"rate": 8})
    turned = knee(bench(loads[3:])["levels"])
    assert turned is not None
    assert (turned["mode"], turned["other"]["mode"]) == ("open", "closed")


def test_without_levels_there_is_nothing_to_say() -> None:
    assert knee([]) is None
    assert knee(bench([closed(1), closed(2), closed(4)], failed=1.0)["levels"]) is None


def test_partial_levels_and_a_rate_without_end_are_left_out() -> None:
    document = bench([closed(n) for n in (1, 4, 8, 16, 32)] + [arrivals(float("inf"))])
    cut = bench([closed(64)], slowdown=0.01)["levels"][0] | {"partial": "interrupted"}
    found = knee([*document["levels"], cut])
    assert found is not None
    assert [point["load"] for point in found["points"]] == [1, 4, 8, 16, 32]
