"""Cells of a document's own tables, and bands of repeats."""

from __future__ import annotations

import pytest

from benchmarks.reports import columns
from benchmarks.reports.levels import curves
from tests.benchmarks.sample_levels import bench, closed


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (1234.5, "1,234"), ("a", "a"), ([1, "b"], "1, b"), ({"ttft": 0.2, "e2e": None}, "ttft 0.200")],
)
def test_a_cell_is_for_people(value, text):
    assert columns.cell(value) == text


def test_a_column_with_a_figure_is_numeric_though_others_lack_it():
    rows = [{"a": "x", "b": None}, {"a": "y", "b": 2.0}, {"a": "z"}]
    table = {"title": "T", "columns": [{"key": "a", "title": "A"}, {"key": "b", "title": "B", "unit": "ms"}], "rows": rows}
    (found,) = columns.own_tables({"tables": [table]})
    assert found["numeric"] == [False, True]
    assert found["rows"] == [["x", "–"], ["y", "2"], ["z", "–"]]
    assert found["heads"] == [("A", ""), ("B", "ms")]


def test_a_band_shows_where_the_repeats_differ_and_only_there():
    document = bench([closed(1)], repeat=2)
    for level, value in zip(document["levels"], (10.0, 12.0), strict=True):
        level["summary"] |= {"request_rate": value, "output_tokens_per_second": 500.0}
    (row,) = curves(document)[0].rows
    assert [column.band(row) for column in columns.RATES] == ["10–12", ""]
