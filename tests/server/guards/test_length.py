"""Texts that are too long."""

from __future__ import annotations

import pytest

from server.errors import ConfigError
from server.guards.base import Context, GuardDown, Piece, Tools
from server.guards.hold import Bound, Hold
from server.guards.kinds import length
from server.guards.kinds.length import LengthDetector, LengthJudge
from server.guardsettings import Length


async def two_letters_a_token(model: str, text: str) -> int:
    return (len(text) + 1) // 2


def judge(count=two_letters_a_token, **limits: int) -> LengthJudge:
    made = length.make(Length(kind="length", **limits), "input", Tools(count=count))
    assert isinstance(made, LengthJudge)
    return made


def held(most: int) -> Hold:
    detector = length.make(Length(kind="length", max_characters=most), "output", Tools())
    assert isinstance(detector, LengthDetector)
    return Hold([Bound("length", detector, "block", lambda text, finding: "")], "output")


@pytest.mark.parametrize("pieces", [["가나다라마"], ["가나", "다라마"], ["가나다", "라", "마"], list("가나다라마")])
def test_an_answer_ends_with_the_last_character_that_is_allowed(pieces: list[str]):
    hold = held(3)
    assert "".join(hold.feed(piece) for piece in pieces) + hold.finish() == "가나다"
    assert hold.blocked is not None
    assert (hold.cuts, hold.released) == ([(3, 4)], 3)


def test_an_answer_of_just_the_length_passes_and_is_not_held_back():
    hold = held(3)
    assert [hold.feed(c) for c in "abc"] == ["a", "b", "c"]
    assert hold.finish() == ""
    assert hold.blocked is None


def test_an_answer_is_counted_from_its_beginning_however_long_it_has_been():
    hold = held(1000)
    assert len("".join(hold.feed("0123456") for _ in range(200))) == 1000


async def test_the_texts_of_a_request_count_together():
    assert not (await judge(max_characters=6).judge([Piece("abc"), Piece("def")], Context())).flagged
    assert (await judge(max_characters=5).judge([Piece("abc"), Piece("def")], Context())).flagged


async def test_tokens_are_the_models_own():
    assert not (await judge(max_tokens=50).judge([Piece("a" * 100)], Context(model="m"))).flagged
    found = await judge(max_tokens=50).judge([Piece("a" * 101)], Context(model="m"))
    assert found.flagged
    assert found.why == "51 tokens, 50 are allowed"


async def test_a_text_too_short_for_so_many_tokens_is_not_counted():
    async def never(model: str, text: str) -> int:
        raise AssertionError("counted")

    assert not (await judge(never, max_tokens=100).judge([Piece("가" * 25)], Context())).flagged


async def test_without_an_engine_that_counts_there_is_no_judgement():
    async def unknown(model: str, text: str) -> None:
        return None

    for count in (None, unknown):
        with pytest.raises(GuardDown):
            await judge(count, max_tokens=1).judge([Piece("a long text")], Context())


@pytest.mark.parametrize("key", ["messages", "input"])
async def test_turns_are_messages_of_the_user(key: str):
    request = {key: [{"role": "system"}, {"role": "user"}, {"role": "assistant"}, {"role": "user"}]}
    assert not (await judge(max_turns=2).judge([Piece("x")], Context(request=request))).flagged
    assert (await judge(max_turns=1).judge([Piece("x")], Context(request=request))).flagged


@pytest.mark.parametrize("request_", [{}, {"prompt": "x"}, {"messages": "nonsense"}, {"messages": [1, None]}])
async def test_a_request_without_messages_has_one_turn_at_most(request_: dict):
    assert not (await judge(max_turns=1).judge([Piece("x")], Context(request=request_))).flagged


def test_turns_of_an_answer_are_refused():
    with pytest.raises(ConfigError, match="stage: input"):
        length.make(Length(kind="length", max_turns=3), "output", Tools())
