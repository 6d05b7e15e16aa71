"""The shipped pairs: how many, how they are labelled, and that no gate's own kind of difference gets past it."""

from __future__ import annotations

from collections import Counter

import pytest

from server.cache.calibrate import Pair, read_rows, shipped

LABELS = {
    *("number", "unit", "date", "time", "tense", "entity", "negation", "antonym", "object", "direction"),
    *("comparison", "language", "format", "scope", "role", "question", "code", "condition"),
}


@pytest.fixture(params=["ko", "en"])
def rows(request: pytest.FixtureRequest) -> list[dict[str, object]]:
    return read_rows(shipped(request.param))


def test_there_are_a_thousand_pairs_half_of_them_the_same(rows: list[dict[str, object]]):
    assert len(rows) >= 1000
    same = sum(row["same"] is True for row in rows)
    assert same * 2 == len(rows)


def test_no_pair_stands_twice(rows: list[dict[str, object]]):
    assert max(Counter(frozenset((row["a"], row["b"])) for row in rows).values()) == 1
    assert all(row["a"] != row["b"] for row in rows)


def test_every_pair_that_differs_says_how_and_no_other_does(rows: list[dict[str, object]]):
    assert all((row["differs"] is None) == row["same"] for row in rows)
    assert {row["differs"] for row in rows} - {None} <= LABELS
    assert len({row["differs"] for row in rows}) > 15


def test_pairs_of_one_group_are_in_one_half(rows: list[dict[str, object]]):
    halves: dict[object, set[bool]] = {}
    for row in rows:
        halves.setdefault(row["group"], set()).add(Pair(str(row["a"]), str(row["b"]), bool(row["same"]), group=str(row["group"])).tuning)
    assert all(len(found) == 1 for found in halves.values())
    assert 0.4 < sum(found == {True} for found in halves.values()) / len(halves) < 0.6


def test_no_sentence_stands_in_both_halves(rows: list[dict[str, object]]):
    halves: dict[str, set[object]] = {}
    for row in rows:
        for side in ("a", "b"):
            halves.setdefault(str(row[side]), set()).add(int(str(row["group"])[-1], 16) % 2)
    assert [text for text, found in halves.items() if len(found) > 1] == []
