"""One text through detectors and judges: what is shown, what is told, and what happens where a guard fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from server.guards.base import Context, Finding, Judgement, Piece, Tools, Verdict, Window
from server.guards.careful import GuardFailed
from server.guards.passage import Kind, Passage
from server.guards.policy import Guard, Policies, Policy
from server.guards.screening import FIRST, Screening
from server.guards.shapes import Screen
from server.guards.view import View
from server.settings import parse

PATH = "/v1/chat/completions"


class Judge:
    """Flags a text that holds `word`; `fails` is raised instead."""

    parallel = False

    def __init__(self, word: str = "bad", window: Window = "sentences", fails: Exception | None = None, waits: float = 0.0) -> None:
        self.word, self.window, self.fails, self.waits = word, window, fails, waits
        self.read: list[Piece] = []

    async def open(self) -> None: ...

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        self.read += pieces
        if self.waits:
            await asyncio.sleep(self.waits)
        if self.fails is not None:
            raise self.fails
        return Judgement(any(self.word in piece.text for piece in pieces), {"x": 0.9})

    async def close(self) -> None: ...


class Broken:
    reach = context = 0

    def find(self, view: View, start: int = 0) -> list[Finding]:
        raise ValueError("a bug")

    def alive(self, view: View, start: int = 0) -> int:
        return len(view.raw)


def settings(*guards: dict[str, Any]) -> Sequence[Any]:
    return parse({"guards": list(guards)}).guards


def screening(*guards: Guard, verdicts: list[Verdict] | None = None) -> Screening:
    told = verdicts if verdicts is not None else []
    return Screening(Policy([], guards, ""), "m", PATH, told.append)


def judging(judge: Judge, **keys: Any) -> Guard:
    section = settings({"kind": "llm", "name": "judge", "model": "demo", "policy": "x", **keys})[0]
    return Guard(section, "output", None, judge)


async def through(screening: Screening, pieces: Sequence[str]) -> tuple[list[str], bool]:
    passage = screening.passage("p", "text")
    out = [await passage.feed(piece) for piece in pieces]
    out.append(await passage.finish())
    return out, passage.blocked


async def test_a_sentence_is_shown_once_it_was_judged() -> None:
    out, blocked = await through(screening(judging(Judge())), ["This one is fi", "ne. And this ", "one too. "])
    assert out[0] == ""
    assert "".join(out) == "This one is fine. And this one too. "
    assert not blocked


async def test_nothing_of_a_sentence_that_is_blocked_is_shown_nor_of_those_behind_it() -> None:
    out, blocked = await through(screening(judging(Judge())), ["This one is fine. This one is bad. ", "And this one fine."])
    assert ("".join(out), blocked) == ("This one is fine.", True)


async def test_a_judge_reads_what_came_before() -> None:
    judge = Judge()
    await through(screening(judging(judge, window=400)), ["This one is fine. This one is too. "])
    assert [piece.before for piece in judge.read] == ["", "This one is fine."]


async def test_a_judge_of_the_whole_holds_all_back() -> None:
    out, blocked = await through(screening(judging(Judge(window="whole"))), ["This one is fine. ", "And this."])
    assert out[:2] == ["", ""]
    assert (out[2], blocked) == ("This one is fine. And this.", False)


async def test_judges_read_what_detectors_have_left() -> None:
    judge = Judge(word="010-1234-5678")
    pii = Policies(settings({"kind": "pii", "stage": "output"}), Tools()).guards[0]
    out, blocked = await through(screening(pii, judging(judge)), ["My number is 010-1234-5678, all of it."])
    assert ("".join(out), blocked) == ("My number is [PHONE], all of it.", False)
    assert "[PHONE]" in judge.read[0].text


@pytest.mark.parametrize("guard", [Judge(fails=ValueError("a bug")), Judge(waits=5.0)])
async def test_a_judge_that_fails_open_lets_the_text_pass_and_is_told(guard: Judge) -> None:
    verdicts: list[Verdict] = []
    out, _ = await through(screening(judging(guard, timeout="20ms"), verdicts=verdicts), ["This one is bad."])
    assert "".join(out) == "This one is bad."
    assert [verdict.said for verdict in verdicts] == ["error"]


async def test_a_judge_that_fails_closed_shows_nothing() -> None:
    with pytest.raises(GuardFailed):
        await through(screening(judging(Judge(fails=ValueError("a bug")), on_error="closed")), ["This one is bad."])


@pytest.mark.parametrize("on_error", ["open", "closed"])
async def test_a_detector_that_raises_is_what_on_error_says(on_error: str) -> None:
    section = settings({"kind": "pattern", "patterns": ["x"], "on_error": on_error})[0]
    verdicts: list[Verdict] = []
    guarded = screening(Guard(section, "output", Broken(), None), verdicts=verdicts)
    if on_error == "closed":
        with pytest.raises(GuardFailed):
            await through(guarded, ["text"])
    else:
        assert "".join((await through(guarded, ["text"]))[0]) == "text"
    assert [verdict.said for verdict in verdicts] == ["error"]


async def test_released_counts_what_went_out_and_cuts_what_was_taken() -> None:
    pii = Policies(settings({"kind": "pii", "stage": "output"}), Tools()).guards[0]
    passage = screening(pii).passage("p", "text")
    await passage.feed("call 010-12")
    assert passage.released == 5
    await passage.feed("34-5678 now")
    await passage.finish()
    assert passage.released == len("call 010-1234-5678 now")
    assert list(passage.cuts) == [(5, 18)]


async def test_a_passage_that_was_made_before_its_text_came_is_as_another() -> None:
    pii = Policies(settings({"kind": "pii", "stage": "output"}), Tools()).guards[0]
    made = screening(pii)
    made.prepare()
    assert made.trail.said == {}  # nothing has been judged yet
    pieces = ["call 010-12", "34-5678 now"]
    first, second, other = (made.passage(FIRST[PATH], "text") for _ in range(3))
    assert len({id(passage) for passage in (first, second, other)}) == 3
    assert made.trail.said == {"pii": "pass"}
    assert [await passage.feed(pieces[0]) + await passage.feed(pieces[1]) + await passage.finish() for passage in (first, second)] == [
        "call [PHONE] now",
        "call [PHONE] now",
    ]


@pytest.mark.parametrize(("path", "piece"), [(PATH, {"delta": {"content": "hi"}}), ("/v1/completions", {"text": "hi"})])
async def test_the_place_that_is_made_before_is_where_a_stream_begins(path: str, piece: dict[str, Any]) -> None:
    places: list[str] = []

    def open_(place: str, kind: Kind) -> Passage:
        places.append(place)
        return screening().passage(place, kind)

    data = json.dumps({"choices": [{"index": 0, **piece}]})
    await Screen(path, open_, include_usage=False).feed(f"data: {data}\n\n".encode())
    assert places == [FIRST[path]]


async def test_a_passage_of_an_answer_that_is_not_judged_is_not_the_one_that_was_made_before() -> None:
    pii = Policies(settings({"kind": "pii", "stage": "output"}), Tools()).guards[0]
    made = screening(pii)
    made.prepare()
    passage = made.passage(FIRST[PATH], "text", judged=False)
    assert await passage.feed("010-1234-5678") == "010-1234-5678"
    assert made.trail.said == {}


async def test_a_large_text_lets_others_have_their_turn() -> None:
    pii = Policies(settings({"kind": "pii", "stage": "output"}), Tools()).guards[0]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    out, _ = await through(screening(pii), ["clean text. " * 20_000])
    task.cancel()
    assert "".join(out) == "clean text. " * 20_000
    assert turns > 5


def test_a_policys_digest_changes_with_what_is_judged() -> None:
    one = Policies(settings({"kind": "pii"}), Tools()).of("demo")
    other = Policies(settings({"kind": "pii", "form": "mask"}), Tools()).of("demo")
    assert one is not None
    assert other is not None
    assert one.digest != other.digest
    assert one.digest == Policies(settings({"kind": "pii"}), Tools()).of("demo").digest  # type: ignore[union-attr]


def test_a_model_of_a_judge_is_loaded_once_for_both_sides() -> None:
    made = Policies(settings({"kind": "similarity", "denied": ["x"]}), Tools(embedder=lambda section: None)).guards
    assert made[0].judge is made[1].judge
