from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from benchmarks.metrics.slo import SLO
from benchmarks.reports import csvfile
from tests.benchmarks.sample_levels import arrivals, bench, closed


def rows(document: dict[str, Any], file: Path, *, requests: bool = False) -> list[dict[str, str]]:
    (csvfile.write_requests if requests else csvfile.write)(document, file)
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_row_a_level_holds_the_summary_flattened(tmp_path: Path) -> None:
    document = bench([closed(2, 8), arrivals(4, 8)], repeat=2, slo=SLO(ttft=0.2))
    found = rows(document, tmp_path / "levels.csv")
    assert len(found) == 4
    for row, level in zip(found, document["levels"], strict=True):
        assert row["load.mode"] == level["load"]["mode"]
        assert row["repeat"] == str(level["repeat"])
        assert float(row["ttft_ms.vllm.p99"]) == level["summary"]["ttft_ms"]["vllm"]["p99"]
        assert float(row["goodput.requests_per_second"]) == level["summary"]["goodput"]["requests_per_second"]
        assert float(row["generator.cpu"]) == 0.21
        assert row["goodput.slo.e2e"] == ""


def test_a_level_in_which_nothing_completed_keeps_its_columns(tmp_path: Path) -> None:
    document = bench([closed(1, 4)], failed=1.0)
    document["levels"] += bench([closed(2, 4)])["levels"]
    none, some = rows(document, tmp_path / "levels.csv")
    assert (none["requests.failed"], none["errors"], none["ttft_ms.vllm.p50"]) == ("4", '{"status 503": 4}', "")
    assert float(some["ttft_ms.vllm.p50"]) > 0


def test_a_row_a_request_holds_its_latencies(tmp_path: Path) -> None:
    document = bench([closed(2, 20)], failed=0.2)
    found = rows(document, tmp_path / "requests.csv", requests=True)
    assert len(found) == 20
    failed = [row for row in found if row["error"]]
    assert failed
    assert {row["ttft_ms"] for row in failed} == {""}
    whole = next(row for row in found if not row["error"])
    assert float(whole["e2e_ms"]) > float(whole["ttft_ms"]) > 0
    assert (whole["events"], whole["output"]) == ("33", "32")
    assert "times_ms" not in whole


def test_a_servers_words_are_no_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    document = bench([closed(1, 1)], failed=1.0)
    document["levels"][0]["requests"][0]["detail"] = '=HYPERLINK("http://a","b"), 한국어\nsecond line'
    [row] = rows(document, tmp_path / "requests.csv", requests=True)
    assert row["detail"] == '\'=HYPERLINK("http://a","b"), 한국어\nsecond line'
