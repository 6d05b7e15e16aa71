from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.metrics.slo import SLO
from benchmarks.reports.compare import Comparison, Figure, as_dict, compare, in_turns, lines
from tests.benchmarks.sample_levels import arrivals, bench, closed

LOADS = [closed(1), closed(8), arrivals(8)]
FASTER = {"slowdown": 0.8}


def figure(comparison: Comparison, name: str, level: int = 0) -> Figure:
    return next(figure for figure in comparison.levels[level].figures if figure.name == name)


def text(comparison: Comparison) -> str:
    found = lines(comparison)
    assert max(map(len, found)) <= 120
    json.dumps(as_dict(comparison), allow_nan=False)
    return "\n".join(found)


def test_a_faster_server_is_better_in_all_of_the_closed_loop() -> None:
    found = compare(bench(LOADS, repeat=3), bench(LOADS, repeat=3, seed=1, **FASTER))
    assert [level.name for level in found.levels] == ["1 at once", "8 at once", "8 req/s"]
    for name in ("requests", "output tokens", "TPOT p50", "E2E p50"):
        assert figure(found, name, 1).verdict.word == "better", name
    assert figure(found, "TPOT p50").verdict.ratio == pytest.approx(0.8, rel=0.02)
    assert "8 at once (3 rounds)" in text(found)


def test_the_other_way_round_it_is_worse() -> None:
    found = compare(bench(LOADS, repeat=3, **FASTER), bench(LOADS, repeat=3, seed=1))
    assert figure(found, "output tokens", 1).verdict.word == "worse"
    assert figure(found, "E2E p99", 1).verdict.word == "worse"


def test_the_same_server_again_is_within_noise_over_all_loads() -> None:
    found = compare(bench(LOADS, repeat=5, seed=2), bench(LOADS, repeat=5, seed=3))
    words = {figure.name: figure.verdict.word for figure in found.together}
    assert words["TTFT p50"] == words["TPOT p50"] == words["E2E p50"] == "within noise"


def test_a_result_against_itself_differs_in_nothing() -> None:
    one = bench(LOADS, repeat=3)
    found = compare(one, copy.deepcopy(one))
    assert found.set_up == []
    assert {figure.verdict.word for level in found.levels for figure in level.figures} == {"within noise"}
    assert "The set-ups do not differ" in text(found)


def test_one_round_each_cannot_tell_and_says_what_to_type() -> None:
    found = compare(bench(LOADS), bench(LOADS, seed=1, **FASTER))
    verdict = figure(found, "TPOT p50").verdict
    assert verdict.word == "cannot tell"
    assert verdict.interval is not None
    assert verdict.interval[1] < 0.85
    assert figure(found, "requests").verdict.interval is None
    assert "one round each: may be the machine's noise; run with --repeat 3" in text(found)
    assert found.together == []


def test_one_round_each_inside_its_own_noise_is_noise() -> None:
    found = compare(bench([closed(1)]), bench([closed(1)], seed=9))
    assert figure(found, "TTFT p99").verdict.word == "within noise"


def test_what_differs_in_the_set_ups_comes_before_any_figure() -> None:
    a, b = bench(LOADS, repeat=3), bench(LOADS, repeat=3, seed=1)
    b["provenance"]["server"]["flags"] = {"kv-cache-dtype": "fp8"}
    b["provenance"]["gpus"] = [{"name": "NVIDIA H200", "memory_bytes": 1, "driver": "570"}]
    b["settings"]["input_tokens"] = 1024
    found = compare(a, b)
    assert ("server.flags.kv-cache-dtype", "(none)", "fp8") in found.set_up
    assert ("gpus.0.name", "(none)", "NVIDIA H200") in found.set_up
    assert ("settings.input_tokens", "128", "1024") in found.set_up
    assert ("seed", "0", "1") in found.set_up
    shown = text(found)
    assert shown.index("kv-cache-dtype") < shown.index("TTFT p50")
    assert not any(name in ("date", "finished", "command", "load_average") for name, *_ in found.set_up)


def test_a_long_flag_does_not_break_the_columns() -> None:
    a, b = bench(LOADS), bench(LOADS)
    b["provenance"]["server"]["flags"] = {"speculative-config": "x" * 400}
    b["provenance"]["command"] += " --flag" * 60
    assert "…" in text(compare(a, b))


def test_levels_that_only_one_has_are_listed() -> None:
    found = compare(bench([closed(1), closed(2)]), bench([closed(1), arrivals(3)]))
    assert (found.only_a, found.only_b) == (["2 at once"], ["3 req/s"])
    assert "Only B has: 3 req/s" in text(found)


def test_partial_results_are_marked() -> None:
    cut = bench([closed(1)], partial="the server stopped answering after 3 s")
    shown = text(compare(bench([closed(1)]), cut))
    assert "PARTIAL" in shown
    assert "B is partial: the server stopped answering after 3 s" in shown
    assert "B is partial here: the server stopped answering after 3 s" in shown


def test_failed_requests_are_shown() -> None:
    found = compare(bench([closed(4, 40)]), bench([closed(4, 40)], failed=0.3))
    assert found.levels[0].failed[0] == 0 < found.levels[0].failed[1]
    assert f"failed requests: 0 in A, {found.levels[0].failed[1]} in B" in text(found)


def test_a_side_in_which_nothing_completed_cannot_tell() -> None:
    found = compare(bench([closed(4, 8)], repeat=3), bench([closed(4, 8)], repeat=3, failed=1.0))
    assert figure(found, "TTFT p50").verdict.word == "cannot tell"
    assert figure(found, "requests").verdict.word == "worse"
    assert "no figure on one side" in text(found)


def test_goodput_is_compared_under_equal_limits_only() -> None:
    a, b = bench([closed(8)], slo=SLO(ttft=0.05)), bench([closed(8)], slo=SLO(ttft=0.05))
    assert figure(compare(a, b), "goodput").a is not None
    found = compare(a, bench([closed(8)], slo=SLO(ttft=0.5)))
    assert "goodput" not in [figure.name for figure in found.levels[0].figures]
    assert "the limits (--slo) differ, so goodput is not compared" in text(found)


def test_documents_without_raw_samples_are_compared_too() -> None:
    a, b = bench([closed(8)]), bench([closed(8)], seed=1, **FASTER)
    for one in (a, b):
        del one["levels"][0]["requests"]
    verdict = figure(compare(a, b), "TPOT p50").verdict
    assert (verdict.word, verdict.interval) == ("cannot tell", None)


def started(document: dict[str, Any], minutes: list[int]) -> dict[str, Any]:
    for level in document["levels"]:
        level["started"] = f"2026-11-21T12:{minutes[level['repeat']]:02}:00+00:00"
    return document


def test_rounds_in_turns_are_pairs_and_runs_after_one_another_are_not() -> None:
    a, b = started(bench([closed(1)], repeat=3), [0, 3, 4]), started(bench([closed(1)], repeat=3), [1, 2, 5])
    later = started(bench([closed(1)], repeat=3), [6, 7, 8])
    assert in_turns(a, b)
    assert not in_turns(a, later)
    assert "not in turns: drift of the machine between A and B" in text(compare(a, later))


def test_one_round_is_no_turn() -> None:
    assert not in_turns(bench([closed(1)]), bench([closed(1)]))


def test_results_of_two_kinds_are_refused() -> None:
    with pytest.raises(BenchUsageError, match="A is a result of `sllm bench serve`, B of `sllm bench latency`"):
        compare(bench([closed(1)]), bench([closed(1)]) | {"kind": "latency"})


def test_results_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(BenchUsageError, match="A has 1 at once; B has 2 at once"):
        compare(bench([closed(1)]), bench([closed(2)]))


def tabled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [{"key": "method", "title": "Method", "unit": ""}, {"key": "batch", "title": "Batch", "unit": ""}]
    columns += [{"key": "rate", "title": "Tokens", "unit": "1/s"}, {"key": "ready", "title": "Ready", "unit": "s"}]
    return bench([]) | {"kind": "batching", "levels": [], "tables": [{"title": "Batching", "note": "", "columns": columns, "rows": rows}]}


def test_tables_are_compared_row_by_row() -> None:
    a = tabled(
        [{"method": "static", "batch": 8, "rate": 100.0, "ready": 1}, {"method": "continuous", "batch": 8, "rate": 300.0, "ready": 1}]
    )
    b = tabled([{"method": "continuous", "batch": 8, "rate": 330.0, "ready": None}, {"method": "none", "batch": 8, "rate": 9.0}])
    found = compare(a, b)
    [table] = found.tables
    [(name, cells)] = table.rows
    assert name == "continuous"
    assert {cell.title: cell.ratio for cell in cells} == {"Batch": 1.0, "Tokens": pytest.approx(1.1), "Ready": None}
    assert (table.only_a, table.only_b) == (["static"], ["none"])
    assert "Tokens (1/s)" in text(found)


def test_rows_that_words_do_not_tell_apart_are_told_apart_by_whole_numbers() -> None:
    a = tabled([{"method": "static", "batch": size, "rate": 10.0 * size} for size in (1, 8)])
    b = tabled([{"method": "static", "batch": size, "rate": 20.0 * size} for size in (8, 1)])
    [table] = compare(a, b).tables
    assert [(name, [cell.ratio for cell in cells]) for name, cells in table.rows] == [("static, 1", [2.0]), ("static, 8", [2.0])]


def test_equal_rows_are_numbered_so_that_none_is_lost() -> None:
    same = [{"method": "static", "batch": 1, "rate": rate} for rate in (1.5, 2.5)]
    [table] = compare(tabled(same), tabled(same)).tables
    assert [name for name, _ in table.rows] == ["static, 1", "static, 1 (2)"]
