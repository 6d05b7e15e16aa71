"""The shipped sets: what they are, and how good the detector is on them."""

from __future__ import annotations

from collections import Counter

import pytest

from server.guards.data import make_pii
from server.guards.view import View
from tests.server.guards.pii_texts import DATA, lines, pii_guard, secrets_guard


def test_the_set_is_what_its_script_writes(tmp_path):
    make_pii.write(tmp_path / "pii.jsonl", make_pii.lines())
    assert (tmp_path / "pii.jsonl").read_bytes() == (DATA / "pii.jsonl").read_bytes()


def test_the_set_is_half_clean_and_half_disguised():
    every = lines("pii")
    with_data = [line for line in every if line["spans"]]
    assert len(every) >= 2000
    assert 0.45 < len(with_data) / len(every) < 0.55
    assert 0.4 < sum(line["class"] == "plain" for line in with_data) / len(with_data) < 0.6
    assert Counter(line["language"] for line in every)["ko"] > len(every) / 2


@pytest.mark.parametrize("name", ["pii", "pii_unseen", *(f"pii_unseen_{letter}" for letter in "abcde")])
def test_spans_are_found_exactly_and_clean_texts_are_let_stand(name: str):
    guards = [pii_guard(), secrets_guard()]
    right = wrong = missed = clean = flagged = 0
    for line in lines(name):
        view = View(line["text"])
        said = {(finding.start, finding.end, finding.category) for guard in guards for finding in guard.find(view)}
        labelled = {tuple(span) for span in line["spans"]}
        right, wrong, missed = right + len(said & labelled), wrong + len(said - labelled), missed + len(labelled - said)
        if not labelled:
            clean, flagged = clean + 1, flagged + bool(said)
    assert 2 * right / (2 * right + wrong + missed) >= 0.98
    assert flagged <= 0.005 * clean
