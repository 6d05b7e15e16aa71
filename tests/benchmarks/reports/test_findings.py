"""A reader is told what stands against the figures, and nothing where nothing does."""

from __future__ import annotations

from benchmarks.reports.findings import findings
from tests.benchmarks.sample_levels import bench, closed


def test_a_clean_run_has_nothing_against_it():
    assert findings(bench([closed(2)])) == []


def test_a_partial_document_says_why():
    document = bench([closed(2)], status="partial") | {"note": "Ctrl-C"}
    assert findings(document)[0] == "These results are partial: Ctrl-C."


def test_a_level_that_was_cut_off_is_named_with_its_reason():
    document = bench([closed(2)], partial="the server stopped answering after 3 s") | {"note": None, "status": "complete"}
    assert findings(document) == ["2 at once: not run to its end: the server stopped answering after 3 s."]


def test_failed_requests_are_counted_by_class():
    document = bench([closed(2, requests=10)], failed=1.0)
    assert findings(document)[0].startswith("10 of 10 requests failed (status 503: 10).")


def test_a_level_without_one_answer_is_named():
    assert "No request was completed at 2 at once: there are no latencies." in findings(bench([closed(2)], failed=1.0))


def test_a_generator_that_was_the_limit_is_told_with_its_figures():
    document = bench([closed(2)]) | {"checks": {"generator_ok": False}}
    document["levels"][0]["generator"]["cpu"] = 0.97
    assert findings(document) == [
        "The load generator was the limit, not the server (its event loop ran up to 0.400 ms late (p99), it used 97% of a core): "
        "the server may be faster than these figures say."
    ]


def test_a_generator_that_was_held_up_by_others_is_told_as_late():
    document = bench([closed(2)]) | {"checks": {"generator_ok": False}}
    document["levels"][0]["generator"] |= {"cpu": 0.05, "loop_ms": {"p50": 0.1, "p99": 102.0, "max": 300.0}}
    assert findings(document) == [
        "The load generator was late on a busy machine (its event loop ran up to 102 ms late (p99), it used 5% of a core): "
        "these latencies hold its own delay. Give it a core of its own."
    ]


def test_a_generator_of_which_no_figures_are_kept_is_told_without_a_cause():
    document = {"levels": [], "status": "complete", "checks": {"generator_ok": False}}
    assert findings(document) == ["The load generator was not fast enough at some loads: the server may be faster than these figures say."]


def test_token_counts_that_differ_often_are_told():
    counted = {"checked": 64, "equal": 32, "largest_difference": 3}
    document = bench([closed(2)]) | {"checks": {"token_count": counted}}
    assert findings(document) == ["Token counts of 32 answers of 64 differ between the server and the tokenizer, by 3 at most."]


def test_token_counts_that_hardly_differ_are_not():
    assert findings(bench([closed(2)]) | {"checks": {"token_count": {"checked": 64, "equal": 63}}}) == []


def test_tokens_counted_by_events_are_told():
    assert findings(bench([closed(2, requests=10)], usage=False)) == [
        "The server sent no usage for 10 requests: their output tokens are counted as one an event."
    ]


def test_token_counts_that_differ_and_are_explained_are_not_told():
    counted = {"checked": 64, "equal": 0, "largest_difference": 18, "agrees": True}
    assert findings(bench([closed(2)]) | {"checks": {"token_count": counted}}) == []
