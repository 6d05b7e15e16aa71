"""The page, read as a browser would: its points, its tables, and that it needs nothing from outside. It was looked at in Chromium."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from quantize.evaluation import page, record
from quantize.evaluation.answers import Answer
from quantize.evaluation.compare import compare
from quantize.evaluation.measure import Made
from quantize.evaluation.sizes import Sizes
from tests.quantize.evaluation.made import load, measurement
from tests.quantize.evaluation.test_compare import disturbed

NAMES = ["gptq", "awq", "bnb-int8", "bnb-nf4", "int8", "int8-dynamic", "w8a8", "fp8", "gptq-ct", "awq-ct"]
VOID = {"meta", "line", "circle", "rect", "path", "link", "br"}


class Reader(HTMLParser):
    """Elements with their attributes, text inside them, and whether every one that is opened is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("th", "td"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and any(tag in self.open for tag in ("th", "td")):
            self.cells[-1][-1] += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for t, a in self.found if t == tag and all(value in a.get(key, "").split() for key, value in wanted.items())]


@pytest.fixture(scope="module")
def results():
    base = measurement(loads=(load(1, 100.0), load(8, 700.0)))
    others = [
        disturbed(
            name,
            sizes=Sizes(disk=300 + 5 * number, tensors=290, linear=200, linear_bf16=800),
            loads=(load(1, 200.0 + number), load(8, 900.0 - number)),
            made=Made(method=name, bits=4, base="demo", recipe={"group_size": 128}, versions={"torch": "2.13.0"}),
        )
        for number, name in enumerate(NAMES)
    ]
    return [compare(each, base) for each in (base, *others)]


@pytest.fixture(scope="module")
def html(results):
    return page.render(results, record.about(command=["sllm", "evaluate"], failed={"fp8-gpu": "no kernel <here>"}))


def test_every_model_is_a_point_in_every_picture_wide_and_narrow(html):
    reader = Reader(html)
    pictures = [a for a in reader.all("svg") if "role" in a]
    assert len(pictures) == 2 * 3  # size, speed at 1 and at 8
    points = [a["data-name"] for a in reader.all("g", **{"class": "point"}) if "data-name" in a]
    assert sorted(points) == sorted(["demo", *NAMES] * len(pictures))


def test_the_front_and_the_baseline_are_marked(html, results):
    reader = Reader(html)
    best = {a["data-name"] for a in reader.all("g", **{"class": "best"}) if "data-name" in a}
    base = {a["data-name"] for a in reader.all("g", **{"class": "base"}) if "data-name" in a}
    (size, *_) = page.pictures(results)
    assert base == {"demo"}
    assert set(size.wide.names_on_front) == {"gptq", "demo"}  # the smallest of equally good ones, and the one without a difference
    assert "demo" in best


def test_it_needs_nothing_from_outside(html):
    reader = Reader(html)
    assert not reader.all("link")
    assert not [a for _, a in reader.found if a.get("src") or a.get("href")]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)


def test_every_tag_is_closed_and_ids_are_there_once(html):
    reader = Reader(html)
    assert reader.open == []
    ids = [a["id"] for _, a in reader.found if "id" in a]
    assert len(ids) == len(set(ids))
    named = " ".join(a["aria-labelledby"] for _, a in reader.found if "aria-labelledby" in a).split()
    assert set(named) <= set(ids)


def test_the_tables_hold_every_figure_with_its_value_for_sorting(html, results):
    reader = Reader(html)
    cells = [cell.strip() for row in reader.cells if row[0].strip() == "gptq" for cell in row]
    small = results[1]
    assert f"{small.logprobs.mean_abs_difference:.4f}" in cells
    assert f"{small.exact_match.share:.1%}" in cells
    assert f"{small.speed[1].tokens_per_second:,.0f}" in cells
    values = [float(a["data-value"]) for a in reader.all("td", **{"class": "number"}) if "data-value" in a]
    assert small.logprobs.mean_abs_difference in values
    assert small.speed[1].tokens_per_second in values


def test_what_could_not_be_measured_is_said_and_escaped(html):
    assert "<strong>fp8-gpu</strong>: no kernel &lt;here&gt;" in html


def test_details_say_how_a_model_was_made(html):
    assert "group_size: 128" in html
    assert "torch 2.13.0" in html


def test_questions_that_only_the_baseline_answers_are_shown():
    base = measurement()
    wrong = Answer(prompt="Hi", wanted="Hello.", got="Bye & <b>", language="en")
    other = compare(measurement("small", answers=(wrong, base.answers[1])), base)
    shown = page.render([compare(base, base), other], record.about())
    assert "Bye &amp; &lt;b&gt;" in shown


def test_without_a_common_tokenizer_exact_match_is_the_quality():
    base = measurement()
    other = measurement("other", positions=None)
    (size, speed) = page.pictures([compare(base, base), compare(other, base)])
    assert size.wide.y.title == "Exact match"
    assert len(speed.wide.points) == 2


def test_without_any_quality_there_is_a_table_and_no_picture():
    bare = compare(measurement(positions=None, answers=()))
    assert page.pictures([bare]) == []
    assert Reader(page.render([bare], record.about())).open == []


def test_a_model_that_lacks_a_figure_is_named_below_the_picture():
    base = measurement()
    quiet = compare(disturbed("quiet", loads=()), base)
    (_, speed) = page.pictures([compare(base, base), quiet])
    assert speed.without == ["quiet"]


def test_long_names_are_shortened_in_pictures_only():
    base = measurement()
    name = "organisation/a-very-long-name-of-a-model-w8a8"
    shown = page.render([compare(base, base), compare(disturbed(name), base)], record.about())
    assert f'<th scope="row">{name}' in shown
    assert "organisation…" in shown
