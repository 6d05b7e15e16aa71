"""The terminal's table fits, cuts no figure and tells every doubt; progress goes to stderr, a line a level."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len

from benchmarks.loadgen.records import Load, Progress
from benchmarks.metrics.slo import SLO
from benchmarks.reports.levels import number
from benchmarks.reports.terminal import Live, table
from tests.benchmarks.sample_levels import arrivals, bench, closed


def widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()))


def own(columns: int, name: str = "데모 모델 이름이 아주 길어서 줄을 나누어야 하는 것") -> dict[str, Any]:
    heads = [{"key": "name", "title": "Model", "unit": ""}]
    heads += [{"key": f"f{place}", "title": f"Figure {place}", "unit": "tokens/s"} for place in range(columns)]
    rows = [{"name": name, **{f"f{place}": 1.5 * 10**place for place in range(columns)}}]
    return bench([closed(1, 2)]) | {"levels": [], "tables": [{"title": "제목", "note": "a note", "columns": heads, "rows": rows}]}


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("slowdown", [1.0, 5000.0])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width, slowdown):
    document = bench([closed(1, 8), closed(100_000, 8), arrivals(2.0, 8)], slo=SLO(0.2, 0.05, None), slowdown=slowdown)
    text = table(document, width)
    assert widest(text) <= width
    for level in document["levels"]:
        summary = level["summary"]
        for value in (summary["output_tokens_per_second"], summary["ttft_ms"]["vllm"]["p99"], summary["e2e_ms"]["vllm"]["p50"]):
            assert number(value) in text


def test_thirty_levels_are_thirty_rows():
    lines = table(bench([closed(1 + place, 4) for place in range(30)]), 100).splitlines()
    assert sum(" at once " in line for line in lines) == 30


def test_failures_the_knee_and_what_is_partial_are_told():
    document = bench([closed(2, 10)], failed=1.0, status="partial") | {"note": "Ctrl-C"}
    document["knee"] = {"mode": "closed", "at": {"concurrency": 2}, "why": "Past 2 at once nothing is won."}
    text = table(document, 100)
    assert "2 at once *" in text
    assert "Knee (*): Past 2 at once nothing is won." in text
    assert "! These results are partial: Ctrl-C." in text
    assert "! 10 of 10 requests failed (status 503: 10)." in text
    assert "–" in text


def test_goodput_is_a_column_only_where_there_were_limits():
    assert "good-" in table(bench([closed(1, 4)], slo=SLO(0.2, None, None)), 100)
    assert "good-" not in table(bench([closed(1, 4)]), 100)


def test_repeats_are_told():
    assert "Medians of 3 runs" in table(bench([closed(1, 4)], repeat=3), 100)


@pytest.mark.parametrize("columns", [1, 4, 14])
def test_a_table_of_the_documents_own_is_shown_whole_in_korean_too(columns):
    text = table(own(columns), 100)
    assert widest(text) <= 100
    assert all(number(1.5 * 10**place) in text for place in range(columns))
    assert text.splitlines()[0] == "제목"
    assert "a note" in text


def test_parts_of_a_wide_table_repeat_what_tells_its_rows_apart():
    document = own(14)
    heads, row = document["tables"][0]["columns"], document["tables"][0]["rows"][0]
    document["tables"][0]["columns"] = [heads[0], {"key": "size", "title": "Batch size", "unit": ""}, *heads[1:]]
    document["tables"][0]["rows"] = [row | {"name": "demo", "size": 111}, row | {"name": "demo", "size": 222}]
    text = table(document, 100)
    assert text.count("111") == text.count("222") == text.count("Batch size") == 3


def test_levels_of_several_subjects_are_left_to_the_documents_own_tables():
    document = own(1) | {"levels": bench([closed(1, 2), closed(2, 2)], repeat=2)["levels"]}
    assert "1 at once" in table(document, 100)
    for level in document["levels"]:
        level["flags"] = f"flags {level['repeat']}"
    assert "1 at once" not in table(document, 100)
    assert "flags 1" in table(document | {"tables": []}, 100)


def test_text_of_the_user_is_no_markup_and_no_control_sequence():
    text = table(own(1, name="[bold]x[/bold] \x1b[31mred"), 100)
    assert "[bold]x[/bold] [31mred" in text
    assert "\x1b" not in text


def test_a_document_without_anything_is_an_empty_table():
    assert table({"kind": "serve", "status": "complete", "levels": []}, 100) == ""


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO) -> None:
    with Live(stream) as live:
        live.say("warming up")
        live.level("", Load("closed", concurrency=8, requests=4))
        live.progress(Progress(seconds=0.5, sent=4, open=2, done=2, failed=1, output_tokens=30, wanted=4, limit=None))
        live.progress(Progress(seconds=2.0, sent=4, open=0, done=4, failed=1, output_tokens=100, wanted=4, limit=None))
        live.level("한국어, run 2", Load("open", rate=2.0, seconds=30))
        live.progress(Progress(seconds=30.0, sent=60, open=0, done=60, failed=0, output_tokens=600, wanted=None, limit=30.0))


ENDED = [
    "warming up",
    "8 at once: 3 requests completed, 1 failed in 2 s, 50 tok/s",
    "한국어, run 2: 60 requests completed in 30 s, 20 tok/s",
]


def test_where_stderr_is_no_terminal_each_level_is_one_plain_line(capsys):
    out = io.StringIO()
    run(out)
    assert out.getvalue().splitlines() == ENDED
    assert capsys.readouterr().out == ""


def test_on_a_terminal_there_is_a_bar_and_the_same_lines(capsys):
    screen = Screen()
    run(screen)
    assert "2/4 done, 1 failed, 2 open" in screen.getvalue()
    assert all(line in screen.getvalue() for line in ENDED)
    assert capsys.readouterr().out == ""


def test_a_level_that_an_error_ends_is_told_as_stopped():
    out = io.StringIO()
    live = Live(out)
    live.level("level 1", closed(2))
    live.progress(Progress(1.0, 4, 2, 2, 0, 50, 4, None))
    live.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert out.getvalue() == "level 1: stopped: 2 requests completed in 1 s, 50 tok/s\n"


def test_a_level_without_progress_still_has_its_line():
    out = io.StringIO()
    times = iter([10.0, 13.0])
    with Live(out, clock=lambda: next(times)) as live:
        live.level("level 1")
    assert out.getvalue() == "level 1: no progress was told, 3 s\n"
