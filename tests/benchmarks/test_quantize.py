from typing import Any

import pytest

from benchmarks.quantize import Goal, goals, rows

MIB = 2**20


def result(method: str, bits: int, difference: float, points: float = 0.0, share: float = 0.25) -> dict[str, Any]:
    return {
        "made": {"method": method, "bits": bits},
        "disk": 100,
        "linear": int(1000 * share),
        "linear_bf16": 1000,
        "logprobs": {
            "mean_abs_difference": difference,
            "mean_abs_difference_low": difference,
            "mean_abs_difference_high": difference,
            "kl_divergence": 0.0,
            "agreement": 1.0,
            "perplexity": 4.0,
        },
        "exact_match": {"share": 0.9, "points": points},
        "speed": [{"concurrency": 8, "tokens_per_second": 100.0}],
        "ready_seconds": 1.0,
    }


def manifest(peak: int = 500 * MIB, passed: bool = True) -> dict[str, Any]:
    return {"cost": {"seconds": 1.0, "peak_memory_bytes": peak, "predicted_memory_bytes": peak}, "check": {"passed": passed}}


def missed(results: list[dict[str, Any]], **manifests: dict[str, Any]) -> list[tuple[str, str]]:
    found = goals(rows(results, manifests), weight_bytes=5 * MIB)
    return [(goal.method, goal.figure) for goal in found if not goal.met]


CONTROL = result("rtn", 4, 0.2)


def test_figures_within_their_bounds_are_goals_met():
    assert missed([result("bfloat16", 0, 0.0), CONTROL, result("gptq", 4, 0.12)], rtn=manifest(), gptq=manifest()) == []


@pytest.mark.parametrize(
    ("changed", "made", "figure"),
    [
        (result("gptq", 4, 0.13), manifest(), "logprob difference against rounding's"),
        (result("gptq", 4, 0.1, points=-2.5), manifest(), "exact match, points lost"),
        (result("gptq", 4, 0.1, share=0.3), manifest(), "linear weights against bf16"),
        (result("gptq", 4, 0.1), manifest(peak=1100 * MIB), "peak memory, bytes"),
        (result("gptq", 4, 0.1), manifest(passed=False), "not served"),
    ],
)
def test_each_figure_out_of_its_bound_is_a_goal_missed(changed: dict[str, Any], made: dict[str, Any], figure: str):
    assert missed([CONTROL, changed], rtn=manifest(), gptq=made) == [("gptq", figure)]


def test_an_eight_bit_method_may_have_twice_the_bytes_and_half_the_difference():
    assert missed([CONTROL, result("int8", 8, 0.09, share=0.51)], rtn=manifest(), int8=manifest()) == []
    assert missed([CONTROL, result("int8", 8, 0.11, share=0.51)], rtn=manifest(), int8=manifest()) == [
        ("int8", "logprob difference against rounding's")
    ]


def test_a_goal_is_met_at_its_bound():
    assert Goal("gptq", "", 0.6, 0.6).met
