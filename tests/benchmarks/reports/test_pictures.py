"""Pictures of any results document: drawn without a warning, with what the reader must see in them."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.metrics.slo import SLO
from benchmarks.reports import pictures
from benchmarks.reports.plots import style
from tests.benchmarks.sample_levels import arrivals, bench, closed

LOADS = [closed(1, 24), closed(8, 24), closed(32, 24)]
KNEE = {"mode": "closed", "at": {"concurrency": 8}, "why": "because"}


def own(**what: Any) -> dict[str, Any]:
    """A document with one picture of its own and no level."""
    picture = {"title": "T", "caption": "C", "x": {"title": "x"}, "y": {"title": "y"}, "kind": "line", "series": []}
    return bench([closed(1, 2)]) | {"levels": [], "pictures": [picture | what]}


def svg(document: dict[str, Any], title: str) -> str:
    return next(pictures.svg(plot, "") for plot in pictures.plots(document) if plot.title.startswith(title))


def words(text: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", text)


def test_a_sweep_has_latency_goodput_distributions_and_a_timeline():
    document = bench(LOADS, slo=SLO(0.2, 0.05, None))
    assert [plot.slug for plot in pictures.plots(document)] == [
        "ttft-against-throughput", "tpot-against-throughput", "goodput-against-concurrency", "ttft-distribution", "itl-distribution",
        "timeline",
    ]  # fmt: skip


def test_closed_and_open_levels_have_pictures_of_their_own_with_names_of_their_own():
    plots = pictures.plots(bench([*LOADS, arrivals(2.0, 24), arrivals(6.0, 24)]))
    assert len({plot.slug for plot in plots}) == len({plot.title for plot in plots}) == len(plots) == 12


def test_the_limits_stand_in_the_caption_of_goodput():
    plots = pictures.plots(bench([arrivals(2.0, 24), arrivals(6.0, 24)], slo=SLO(0.2, 0.05, None)))
    caption = next(plot.caption for plot in plots if plot.slug == "goodput-against-rate")
    assert "within TTFT 200 ms and TPOT 50 ms" in caption


def test_the_knee_stands_in_the_picture_with_its_name():
    assert "knee: 8 at once" in words(svg(bench(LOADS) | {"knee": KNEE}, "Time to first token against throughput"))


@pytest.mark.parametrize("failed", [0.0, 0.3])
def test_levels_with_failures_are_marked_and_only_those(failed):
    document = bench(LOADS, failed=failed)
    assert ("requests failed" in words(svg(document, "Time to first token against throughput"))) is bool(failed)
    caption = next(plot.caption for plot in pictures.plots(document) if plot.slug == "timeline")
    assert ("requests that failed" in caption) is bool(failed)


def test_a_level_that_was_cut_off_is_marked():
    assert "level not finished" in words(svg(bench(LOADS, partial="Ctrl-C"), "Time to first token against throughput"))


def test_repeats_have_their_spread_in_the_picture():
    once, often = (svg(bench(LOADS, repeat=repeat), "Time to first token against throughput") for repeat in (1, 3))
    assert "LineCollection" not in once
    assert "LineCollection" in often


@pytest.mark.parametrize("levels", [1, 30])
def test_one_level_and_thirty_are_drawn(levels):
    assert len(pictures.svgs(bench([closed(1 + number, 4) for number in range(levels)]))) == (5 if levels == 1 else 6)


@pytest.mark.parametrize("levels", [1, 2, 12, 30])
def test_a_distribution_has_a_line_a_level_twelve_at_most(levels):
    text = svg(bench([closed(1 + number, 4) for number in range(levels)]), "Inter-token latency")
    assert sum(name.endswith("at once") for name in words(text)) == min(levels, 12)


def test_levels_left_out_of_a_picture_are_told():
    captions = [plot.caption for plot in pictures.plots(bench([closed(1 + number, 2) for number in range(30)]))]
    assert sum("12 of 30 levels are drawn" in caption for caption in captions) == 2


def test_levels_without_one_answer_leave_what_can_be_drawn():
    assert [name for name, _, _ in pictures.svgs(bench(LOADS, failed=1.0))] == ["Throughput against concurrency", "Timeline"]


def test_levels_without_raw_samples_have_the_pictures_of_their_figures():
    document = bench(LOADS)
    for level in document["levels"]:
        del level["requests"]
    assert [plot.slug for plot in pictures.plots(document)] == [
        "ttft-against-throughput", "tpot-against-throughput", "throughput-against-concurrency",
    ]  # fmt: skip


def test_a_rate_without_a_number_is_left_out_and_told():
    plots = pictures.plots(bench([arrivals(2.0, 24), arrivals(4.0, 24), arrivals(float("inf"), 24)]))
    assert "all at once" in next(plot.caption for plot in plots if plot.slug == "throughput-against-rate")


@pytest.mark.parametrize("kind", ["line", "bar", "scatter"])
def test_a_picture_of_the_documents_own_shows_its_series_and_leaves_out_what_is_missing(kind):
    series = [{"name": "bf16", "points": [[1, 2.0], [2, None], [4, 3.0]]}, {"name": "fp8", "points": [[1, 4.0], [None, 1.0]]}]
    assert {"bf16", "fp8", "x", "y"} <= set(words(svg(own(kind=kind, series=series), "T")))


def test_bars_stand_over_their_words_with_their_heights_on_them():
    found = words(svg(own(kind="bar", series=[{"name": "", "points": [["static", 120.0], ["continuous", 810.0]]}]), "T"))
    assert {"static", "continuous", "120", "810"} <= set(found)


def test_a_picture_without_a_figure_says_so():
    assert "No figures: nothing of this was measured." in words(svg(own(), "T"))


def test_a_logarithmic_axis_is_left_where_a_figure_is_zero():
    assert svg(
        own(y={"title": "y", "log": True}, x={"title": "x", "log": True}, series=[{"name": "a", "points": [[0, 0.0], [1, 1.0]]}]), "T"
    )


def test_text_of_an_svg_stays_text_in_any_language():
    assert "한국어 <&>" in [word.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for word in
                          words(svg(own(series=[{"name": "한국어 <&>", "points": [[1, 1.0]]}]), "T"))]  # fmt: skip


def test_ids_of_two_pictures_on_a_page_are_different():
    ids = [name for _, _, text in pictures.svgs(bench(LOADS)) for name in re.findall(r'\bid="([^"]+)"', text)]
    assert len(ids) == len(set(ids))


def test_the_same_document_is_drawn_the_same():
    document = bench(LOADS)
    assert svg(document, "Timeline") == svg(document, "Timeline")


def test_png_files_are_twice_the_pictures_size_and_carry_a_korean_title(tmp_path):
    document = own(title="배치 방식에 따른 처리량", series=[{"name": "연속 배치", "points": [[1, 1.0], [2, 2.0]]}])
    (file,) = pictures.write_all(document, tmp_path, "batching")
    assert file == tmp_path / "batching-picture-1.png"
    with Image.open(file) as image:
        assert image.width == int(style.WIDTH * 192)


def test_korean_text_without_a_font_for_it_is_drawn_without_a_warning():
    with style.looks(["DejaVu Sans"]):
        figure = Figure(figsize=(3, 2))
        FigureCanvasAgg(figure)
        figure.suptitle("한국어 제목")
        figure.savefig(io.BytesIO(), format="png")


def test_a_long_title_takes_more_lines_and_no_more_width(tmp_path):
    for name, title in (("short", "T"), ("long", "연속 배치와 정적 배치 " * 8)):
        pictures.write_all(own(title=title, series=[{"name": "a", "points": [[1, 1.0]]}]), tmp_path, name)
    with Image.open(tmp_path / "short-picture-1.png") as short, Image.open(tmp_path / "long-picture-1.png") as long:
        assert (long.width, long.height > short.height) == (short.width, True)


def test_without_matplotlib_there_are_no_pictures_and_no_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not pictures.available()
    assert pictures.svgs(bench(LOADS)) == []
    assert pictures.write_all(bench(LOADS), tmp_path, "serve") == []


def test_a_large_matrix_has_its_own_pictures_and_says_what_is_left_out():
    document = bench([closed(1, 2), closed(2, 2)], repeat=5) | {"pictures": own()["pictures"]}
    for level in document["levels"]:
        level["flags"] = f"flags {level['repeat']}"
    assert [plot.slug for plot in pictures.plots(document)] == ["picture-1"]
    assert "Of 5 sets of levels" in str(pictures.left_out(document))
    assert pictures.left_out(bench(LOADS)) is None
