"""The mathematics of `sllm guard test`."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.guards import scores
from server.guards.scores import Score

spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 6), st.sampled_from("ab")).map(lambda s: (s[0], s[0] + s[1], s[2])), max_size=8
)


def test_precision_recall_and_f1_by_hand():
    score = Score(tp=6, fp=2, fn=4)
    assert (score.precision, score.recall, score.f1) == (0.75, 0.6, pytest.approx(2 * 0.75 * 0.6 / 1.35))


def test_nothing_labelled_and_nothing_found_is_no_figure():
    assert Score().as_dict() == {"tp": 0, "fp": 0, "fn": 0, "precision": None, "recall": None, "f1": None}


def test_exact_wants_the_same_characters_and_the_same_category():
    labelled = [(0, 3, "phone"), (5, 9, "card"), (20, 22, "email")]
    found = [(0, 3, "phone"), (5, 8, "card"), (20, 22, "name")]
    assert scores.exact(found, labelled) == Score(tp=1, fp=2, fn=2)


def test_the_tolerant_count_takes_a_shared_character_of_the_same_category():
    labelled = [(0, 3, "phone"), (5, 9, "card"), (20, 22, "email")]
    found = [(2, 4, "phone"), (5, 8, "card"), (20, 22, "name")]
    assert scores.overlapping(found, labelled) == Score(tp=2, fp=1, fn=1)


def test_touching_is_not_overlapping():
    assert scores.overlapping([(0, 3, "a")], [(3, 6, "a")]) == Score(tp=0, fp=1, fn=1)


def test_one_found_span_pays_for_one_labelled_span():
    assert scores.overlapping([(0, 10, "a")], [(0, 3, "a"), (4, 6, "a")]) == Score(tp=1, fp=0, fn=1)


def test_two_found_spans_over_one_labelled_span_are_one_right_and_one_wrong():
    assert scores.overlapping([(0, 2, "a"), (3, 5, "a")], [(0, 5, "a")]) == Score(tp=1, fp=1, fn=0)


@given(spans, spans)
def test_what_is_exact_is_tolerated(found, labelled):
    exact, overlap = scores.exact(found, labelled), scores.overlapping(found, labelled)
    assert exact.tp <= overlap.tp or any(len({s for s in some if s[2] == c}) > 1 for some in (found, labelled) for c in "ab")
    assert overlap.tp + overlap.fn == exact.tp + exact.fn == len(set(labelled))
    assert overlap.tp + overlap.fp == exact.tp + exact.fp == len(set(found))


def test_covered_counts_the_labelled_characters_that_would_have_been_cut():
    assert scores.covered([(0, 4, "x"), (3, 6, "y")], [(2, 8, "a"), (7, 9, "b")]) == (4, 7)


def test_of_two_guards_that_overlap_the_earlier_one_counts():
    assert scores.in_order([[(2, 5, "a")], [(0, 3, "b"), (5, 6, "b")]]) == [(2, 5, "a"), (5, 6, "b")]


@given(st.lists(spans.map(lambda s: scores.in_order([s])), max_size=3))
def test_the_findings_of_several_guards_never_overlap(findings):
    kept = scores.in_order(findings)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(kept))
    assert not findings or all(span in kept for span in findings[0])


def test_recall_at_a_bound_takes_the_best_threshold_that_keeps_it():
    scored = [(0.9, True), (0.8, True), (0.7, False), (0.6, True)] + [(0.1, False)] * 9
    assert scores.recall_at(scored, 0.05) == (pytest.approx(2 / 3), 0.0, 0.8)
    assert scores.recall_at(scored, 0.10) == (1.0, 0.1, 0.6)


def test_texts_with_one_score_are_found_together():
    assert scores.recall_at([(1.0, True), (1.0, False), (0.5, True), (0.0, False)], 0.01) == (0.0, 0.0, 1.0)


def test_a_score_of_nothing_finds_nothing():
    assert scores.recall_at([(0.0, True), (0.0, False)], 1.0) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("label", [True, False])
def test_no_recall_without_both_kinds_of_texts(label: bool):
    assert scores.recall_at([(0.5, label)], 0.01) is None


def test_categories_are_compared_without_case_and_hyphens():
    assert {scores.same(name) for name in ("API-Key", "api_key", "Api Key")} == {"api_key"}
