"""The page holds every figure and every doubt, in one file that asks no network for anything."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from benchmarks.errors import BenchError
from benchmarks.metrics.slo import SLO
from benchmarks.reports import page, pictures
from tests.benchmarks.sample_levels import bench, closed

LOADS = [closed(1, 16), closed(8, 16)]


class Reader(HTMLParser):
    """Tags with their attributes, and the text outside of style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside: list[str] = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "style":
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.words.append(data)


def read(document: dict[str, Any], **how: Any) -> Reader:
    """The page, by default without its pictures: they take longer than all else."""
    return Reader(page.render(document, **{"drawn": [], **how}))


def test_text_of_the_user_is_never_markup():
    document = bench(LOADS, failed=0.3)
    bad = "<script>alert(1)</script>"
    document["provenance"]["server"] |= {"model": bad, "url": bad, "flags": {bad: bad}}
    document["provenance"]["command"] = document["note"] = bad
    document["knee"] = {"mode": "closed", "at": {"concurrency": 8}, "why": bad}
    document["tables"] = [{"title": bad, "note": bad, "columns": [{"key": "a", "title": bad, "unit": bad}], "rows": [{"a": bad}]}]
    point = {"name": bad, "points": [[bad, 1.0]]}
    document["pictures"] = [{"title": bad, "caption": bad, "x": {"title": bad}, "y": {"title": bad}, "kind": "bar", "series": [point]}]
    document["levels"][0]["requests"][0] |= {"error": "status 503", "detail": bad}
    found = read(document, drawn=None)
    assert not [tag for tag, _ in found.tags if tag == "script"]
    assert found.text.count(bad) >= 12


def test_nothing_is_fetched_from_anywhere():
    text = page.render(bench(LOADS), with_files=True)
    for tag, attributes in Reader(text).tags:
        assert tag not in ("script", "link", "img", "iframe")
        where = attributes.get("href") or attributes.get("xlink:href") or attributes.get("src") or ""
        assert where.startswith("#") or where in ("", "result.json", "levels.csv", "requests.csv")
    assert not re.search(r"@import|url\((?!#)", text)


def test_ids_are_the_pages_own_and_every_reference_is_met():
    found = read(bench(LOADS, failed=0.2) | {"knee": {"mode": "closed", "at": {"concurrency": 8}, "why": "w"}}, drawn=None)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in found.tags if "aria-labelledby" in attributes} <= set(ids)


def test_every_level_has_its_row_with_vllms_figures():
    document = bench(LOADS)
    text = read(document).text
    for level in document["levels"]:
        assert f"{level['load']['concurrency']} at once" in text
        assert page.number(level["summary"]["ttft_ms"]["vllm"]["p99"]) in text


def test_each_latency_is_there_under_three_tools_definitions_with_their_source():
    found = read(bench(LOADS))
    assert sum(tag == "details" for tag, _ in found.tags) == 5  # four latencies and the generator's delay
    for words in ("vLLM", "GuideLLM", "AIPerf", "(last token - sent) / n", "has no metric of this meaning", "inter_token_latency_ms"):
        assert words in found.text


def test_the_spread_of_repeats_is_shown():
    assert "median of 3 runs" in read(bench(LOADS, repeat=3)).text
    assert "median of" not in read(bench(LOADS)).text


def test_a_partial_run_says_so_first():
    text = read(bench(LOADS, status="partial") | {"note": "the server stopped answering after 3.2 s"}).text
    assert text.index("Partial results") < text.index("These results are partial: the server stopped") < text.index("By level of load")


def test_failures_are_told_by_level_and_class_in_the_servers_words():
    text = read(bench(LOADS, failed=0.4)).text
    assert "Read this first" in text
    assert "status 503" in text
    assert "the queue is full" in text


def test_a_clean_run_has_no_banner():
    assert "Read this first" not in read(bench(LOADS)).text


def test_more_than_two_sets_of_levels_are_folded_each_under_its_name():
    document = bench([closed(1, 2), closed(2, 2)], repeat=3)
    for level in document["levels"]:
        level["flags"] = f"flags {level['repeat']}"
    found = read(document)
    assert sum(tag == "details" for tag, _ in found.tags) == 3 + 5
    assert "flags 1, 2 at once" in found.text


def test_a_generator_at_its_limit_is_told():
    assert "The load generator was late" in read(bench(LOADS) | {"checks": {"generator_ok": False}}).text


def test_the_knee_and_the_token_check_are_told():
    counted = {"tokenizer": "server /tokenize", "checked": 64, "equal": 63, "largest_difference": 1, "mean_difference": 0.0156}
    knee = {"mode": "closed", "at": {"concurrency": 8}, "why": "Past 8 at once nothing is won."}
    text = read(bench(LOADS) | {"checks": {"token_count": counted}, "knee": knee}).text
    assert "Past 8 at once nothing is won." in text
    assert "against server /tokenize: 63 of 64 answers agree; the largest difference is 1, the mean 0.0156." in text


def test_how_it_was_measured_is_complete():
    text = read(bench(LOADS, slo=SLO(0.2, 0.05, None), seed=7)).text
    for words in ("sllm bench serve --url", "Seed 7", "TTFT 200 ms and TPOT 50 ms", "vllm 0.32.0", "2,048 tokens", "input_tokens: 128"):
        assert words in text


def test_the_raw_files_are_linked_where_they_lie_beside_the_page(tmp_path):
    page.write(bench(LOADS) | {"levels": []}, tmp_path / "report.html")
    assert 'href="result.json"' not in (tmp_path / "report.html").read_text()
    (tmp_path / "result.json").write_text("{}")
    page.write(bench(LOADS) | {"levels": []}, tmp_path / "report.html")
    assert 'href="result.json"' in (tmp_path / "report.html").read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "result.json"]


def test_without_matplotlib_the_page_has_its_tables_and_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = read(bench(LOADS), drawn=None)
    assert pictures.MISSING in found.text
    assert "8 at once" in found.text
    assert not [tag for tag, _ in found.tags if tag == "svg"]


@pytest.mark.parametrize("kind", ["serve", "throughput", "latency", "batching", "speculation", "sweep", "suite", "gateway", "other"])
def test_a_document_of_any_kind_without_levels_is_shown(kind):
    document = bench([closed(1, 2)]) | {
        "kind": kind,
        "levels": [],
        "steps": [{"id": "bf16", "title": "Shapes", "seconds": 12.5, "result": {}}],
    }
    text = read(document).text
    assert "Shapes" in text
    assert "How it was measured" in text


def test_a_document_with_the_least_in_it_is_shown():
    text = read({"format": "sllm-bench", "version": 1, "kind": "serve", "status": "complete"}).text
    assert "Serving benchmark" in text
    assert "None" not in text


def test_levels_without_one_answer_are_shown_with_dashes():
    assert "No request was completed at 1 at once, 8 at once" in read(bench(LOADS, failed=1.0), drawn=None).text


def test_colours_follow_the_reader_and_text_stays_text():
    text = page.render(bench(LOADS))
    assert "prefers-color-scheme: dark" in text
    assert "fill: var(--soft)" in text
    assert "TTFT p99</text>" in text


def test_a_page_of_30_levels_is_below_3_mb():
    assert len(page.render(bench([closed(1 + number, 40) for number in range(30)])).encode()) < 3_000_000


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(BenchError, match="cannot be written"):
        page.write(bench(LOADS), tmp_path / "missing" / "report.html")
