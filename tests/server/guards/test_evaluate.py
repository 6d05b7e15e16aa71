"""What `sllm guard test` measures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from server.guards import evaluate
from server.guards.base import Context, Finding, GuardDown, Judgement, Piece, Side
from server.guards.evaluate import Line, UnreadableTexts
from server.guards.policy import Guard
from server.settings import parse


class Finds:
    """Finds each of its words, as a category of its own."""

    reach, context = 10, 0

    def __init__(self, **words: str) -> None:
        self.words = words

    def find(self, view: Any, start: int = 0) -> list[Finding]:
        found = []
        for category, word in self.words.items():
            at = view.raw.find(word)
            if at >= 0:
                found.append(Finding(at, at + len(word), category))
        return sorted(found, key=lambda finding: finding.start)

    def alive(self, view: Any, start: int = 0) -> int:
        return len(view.raw)


class Breaks(Finds):
    def find(self, view: Any, start: int = 0) -> list[Finding]:
        raise RuntimeError


class Thinks:
    """Its score of a text is the number that the text ends with."""

    parallel = False

    def __init__(self, window: str = "sentences") -> None:
        self.window = window
        self.read: list[str] = []

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        self.read.append(pieces[0].text)
        if "down" in pieces[0].text:
            raise GuardDown("down")
        score = float(pieces[0].text.split()[-1].rstrip("."))
        return Judgement(score >= 0.5, {"attack": score})


def guard(name: str, made: Any, side: Side = "input", **settings: Any) -> Guard:
    section = parse({"guards": [{"kind": "pattern", "words": ["x"], "name": name, **settings}]}).guards[0]
    judge = hasattr(made, "judge")
    return Guard(section, side, None if judge else made, made if judge else None)


def measure(guards: list[Guard], lines: list[Line], side: Side = "input") -> dict[str, Any]:
    return asyncio.run(evaluate.run(guards, lines, side))


def spans(text: str, *found: tuple[int, int, str], **groups: str) -> Line:
    return Line(text, bool(found), found, groups)


PHONES = [
    spans("tel 0101", (4, 8, "phone"), **{"class": "plain", "language": "en"}),
    spans("tel 0202", (4, 8, "phone"), **{"class": "disguised"}),
    spans("buy 0101", **{"class": "plain"}),
    spans("nothing"),
]


def test_spans_are_counted_exactly():
    figures = measure([guard("p", Finds(phone="0101"))], PHONES)["guards"]["p"]
    assert figures["exact"] == {"tp": 1, "fp": 1, "fn": 1, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert figures["characters_covered"] == 0.5


def test_a_span_with_another_border_is_tolerated_in_the_tolerant_count_alone():
    figures = measure([guard("p", Finds(phone="101"))], PHONES[:1])["guards"]["p"]
    assert (figures["exact"]["tp"], figures["overlap"]["tp"], figures["characters_covered"]) == (0, 1, 0.75)


def test_false_positives_are_counted_on_clean_texts():
    texts = measure([guard("p", Finds(phone="0101"))], PHONES)["guards"]["p"]["texts"]
    assert (texts["clean"], texts["fp"], texts["false_positive_rate"]) == (2, 1, 0.5)


def test_recall_is_told_by_class_and_language():
    figures = measure([guard("p", Finds(phone="0101"))], PHONES)["all"]
    assert {name: group["exact"]["recall"] for name, group in figures["by_class"].items()} == {"plain": 1.0, "disguised": 0.0}
    assert {name: group["lines"] for name, group in figures["by_language"].items()} == {"en": 1}


def test_each_category_has_its_figures():
    figures = measure([guard("p", Finds(phone="0202", price="buy"))], PHONES)["guards"]["p"]["by_category"]
    assert {name: (score["tp"], score["fp"], score["fn"]) for name, score in figures.items()} == {"phone": (1, 0, 1), "price": (0, 1, 0)}


def test_guards_together_find_what_one_of_them_finds_and_nothing_twice():
    report = measure([guard("a", Finds(phone="0101")), guard("b", Finds(card="101", phone="0202"))], PHONES)
    assert (report["all"]["exact"]["tp"], report["all"]["exact"]["fp"]) == (2, 1)
    assert (report["guards"]["b"]["exact"]["tp"], report["guards"]["b"]["exact"]["fp"]) == (1, 2)


def test_every_guard_has_its_latency():
    for figures in measure([guard("a", Finds(phone="0101")), guard("j", Thinks())], [Line("is 0.9", True)])["guards"].values():
        assert 0 < figures["latency"]["p50_ms"] <= figures["latency"]["p99_ms"]
        assert figures["latency"]["ms_per_kib"] > 0


def test_a_guard_that_breaks_is_counted_and_the_others_are_measured():
    report = measure([guard("bad", Breaks()), guard("good", Finds(phone="0101"))], PHONES)
    assert (report["guards"]["bad"]["errors"], report["guards"]["good"]["errors"]) == (4, 0)
    assert report["guards"]["good"]["exact"]["tp"] == 1


SCORED = [Line("one 0.9.", True), Line("two 0.4.", True), Line("three 0.1.", False), Line("four 0.3.", False)]


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_judge_is_measured_by_texts_and_by_its_scores(side: Side):
    report = measure([guard("j", Thinks(), side)], SCORED, side)
    texts = report["guards"]["j"]["texts"]
    assert (report["unit"], texts["tp"], texts["fn"], texts["fp"], texts["recall"]) == ("text", 1, 1, 0, 0.5)
    assert texts["at_1_percent"] == {"recall": 1.0, "false_positive_rate": 0.0, "threshold": 0.4}
    assert "exact" not in report["guards"]["j"]


def test_a_threshold_of_one_half_is_judged_on_the_other():
    tune = [Line(f"tune {score}.", positive, None, {"half": "tune"}) for score, positive in ((0.9, True), (0.6, True), (0.5, False))]
    held = [Line(f"held {score}.", positive, None, {"half": "held-out"}) for score, positive in ((0.95, True), (0.3, True), (0.7, False))]
    figures = measure([guard("j", Thinks())], [*tune, *held])["guards"]["j"]
    assert figures["held_out"] == {"threshold": 0.6, "recall": 0.5, "false_positive_rate": 1.0}
    assert set(figures["by_half"]) == {"tune", "held-out"}


def test_without_halves_nothing_is_held_out():
    assert "held_out" not in measure([guard("j", Thinks())], SCORED)["guards"]["j"]


def test_an_answer_is_judged_sentence_by_sentence():
    judge = Thinks()
    measure([guard("j", judge, "output")], [Line("The first sentence 0.1. The second one is 0.7.", True)], "output")
    assert [text.strip() for text in judge.read] == ["The first sentence 0.1.", "The second one is 0.7."]


@pytest.mark.parametrize("on_error", ["open", "closed"])
def test_a_judge_that_is_down_is_an_error_and_no_verdict(on_error: str):
    figures = measure([guard("j", Thinks(), on_error=on_error)], [Line("down 0.9", True)])["guards"]["j"]
    assert (figures["errors"], figures["texts"]["tp"]) == (1, 0)


def test_scores_are_no_figure_where_guards_only_say_yes_and_no():
    assert "at_1_percent" not in measure([guard("p", Finds(phone="0101"))], PHONES)["all"]["texts"]


# Files


def file(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_spans_and_labels_are_read(tmp_path: Path):
    found = evaluate.read(
        file(
            tmp_path,
            {"text": "a 010", "spans": [[2, 5, "Phone"]], "class": "plain"},
            "",
            {"text": "b", "spans": []},
            {"text": "c", "label": "attack"},
            {"text": "d", "label": "benign"},
            {"text": "e", "label": 1},
            {"text": "f", "label": False},
        )
    )
    assert [line.positive for line in found] == [True, False, True, False, True, False]
    assert found[0].spans == ((2, 5, "phone"),)
    assert found[0].groups == {"class": "plain"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON: write"),
        ("[" * 100_000, "line 2: not JSON: write"),
        ([1], "line 2: `text` is missing"),
        ({"text": 3}, "line 2: `text` is missing"),
        ({"text": "a"}, "line 2: `spans` or `label` is missing"),
        ({"text": "abc", "spans": [[1, 4, "x"]]}, "line 2: the span [1, 4, 'x'] is not in the text, which has 3 characters"),
        ({"text": "abc", "spans": [[2, 2, "x"]]}, "line 2: the span [2, 2, 'x'] is not in the text"),
        ({"text": "abc", "spans": [[-1, 2, "x"]]}, "line 2: the span [-1, 2, 'x'] is not in the text"),
        ({"text": "abc", "spans": [[0, True, "x"]]}, "line 2: a span is [start, end, category], and one is"),
        ({"text": "abc", "spans": [[0, 1]]}, "line 2: a span is [start, end, category], and one is [0, 1]"),
        ({"text": "abc", "spans": 3}, "line 2: a span is [start, end, category], and one is 3"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: Any, message: str):
    with pytest.raises(UnreadableTexts) as caught:
        evaluate.read(file(tmp_path, {"text": "good", "label": "benign"}, line))
    assert message in caught.value.message


def test_a_missing_an_empty_and_a_binary_file_are_one_sentence(tmp_path: Path):
    binary = tmp_path / "b"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, message in ((tmp_path / "no", "check the path"), (file(tmp_path, ""), "holds no text"), (binary, "not UTF-8")):
        with pytest.raises(UnreadableTexts, match=message):
            evaluate.read(path)


def test_lone_surrogates_are_measured_like_any_text(tmp_path: Path):
    lines = evaluate.read(file(tmp_path, '{"text": "\\ud800 0101", "spans": [[2, 6, "phone"]]}'))
    assert measure([guard("p", Finds(phone="0101"))], lines)["all"]["exact"]["tp"] == 1
