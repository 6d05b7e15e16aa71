"""What goes out of a hold, when, and what is told of it."""

from __future__ import annotations

import pytest

from server.guards.base import Finding
from server.guards.hold import Bound, Hold
from server.guards.linear import Rule, Rules
from server.guards.ruled import Ruled
from server.guards.view import View


def bound(name: str, pattern: str, action: str = "redact", longest: int = 100) -> Bound:
    detector = Ruled(Rules([Rule(pattern, name)], longest), name)
    return Bound(name, detector, action, lambda text, finding: f"[{name} {text}]")  # type: ignore[arg-type]


def hold(*bounds: Bound) -> Hold:
    return Hold(bounds, "output")


PHONE = r"(?<!\d)010-\d{4}-\d{4}(?!\d)"


def test_clean_text_goes_out_at_once():
    held = hold(bound("phone", PHONE))
    for piece in ["안", "녕하세요. ", "12,000원", "입니다", "!"]:
        assert held.feed(piece) == piece


def test_the_beginning_of_a_match_waits_and_goes_out_when_it_is_none():
    held = hold(bound("phone", PHONE))
    assert [held.feed(piece) for piece in ["전화 0", "10-", "12", "x"]] == ["전화 ", "", "", "010-12x"]


def test_a_match_is_replaced_as_soon_as_no_more_text_can_change_it():
    held = hold(bound("phone", PHONE))
    assert [held.feed(piece) for piece in ["010-1234-567", "8", "은"]] == ["", "", "[phone 010-1234-5678]은"]


def test_what_waits_goes_out_at_the_end():
    held = hold(bound("phone", PHONE))
    assert held.feed("a 010-12") + held.finish() == "a 010-12"
    held = hold(bound("phone", PHONE))
    assert held.feed("010-1234-5678") + held.finish() == "[phone 010-1234-5678]"


def test_unseen_characters_in_a_match_are_cut_with_it_and_those_behind_it_are_not():
    held = hold(bound("phone", PHONE))
    assert held.whole("a\u200b0\u200b10-1234-5678\u200b b") == "a\u200b[phone 0\u200b10-1234-5678]\u200b b"


def test_a_block_lets_out_what_is_before_it_and_nothing_behind():
    held = hold(bound("phone", PHONE, "block"))
    assert held.feed("전화 010-1234-5678 끝") == "전화 "
    assert held.blocked == ("phone", Finding(3, 16, "phone"))
    assert (held.feed("more"), held.finish()) == ("", "")
    assert (held.cuts, held.released) == ([(3, 16)], 3)


def test_a_warning_is_told_and_holds_nothing_back():
    held = hold(bound("phone", PHONE, "warn"))
    assert [held.feed(piece) for piece in ["010-1234-5", "678", "."]] == ["010-1234-5", "678", "."]
    assert held.found == [("phone", Finding(0, 13, "phone"))]
    assert (held.worst, held.cuts) == (0, [])


def test_findings_that_overlap_are_replaced_once_by_the_first_guard_of_the_list():
    held = hold(bound("b", "cdef"), bound("a", "abcd"))
    assert held.whole("xabcdefx") == "x[b abcdef]x"
    assert held.cuts == [(1, 7)]
    assert held.found == [("a", Finding(1, 5, "a")), ("b", Finding(3, 7, "b"))]


def test_findings_that_touch_are_replaced_one_by_one():
    assert hold(bound("a", "ab"), bound("b", "cd")).whole("abcd") == "[a ab][b cd]"


def test_a_block_goes_before_a_redaction_that_it_overlaps_and_begins_with_it():
    held = hold(bound("a", "abcd"), bound("b", "cdef", "block"))
    assert held.whole("xabcdef") == "x"
    assert held.blocked == ("b", Finding(3, 7, "b"))
    assert (held.cuts, held.released) == ([(1, 7)], 1)


def test_a_redaction_before_a_block_is_made():
    assert hold(bound("a", "ab"), bound("b", "ef", "block")).whole("xabcdefab") == "x[a ab]cd"


def test_of_two_blocks_the_first_in_the_text_counts():
    held = hold(bound("a", "late", "block"), bound("b", "early", "block"))
    held.whole("an early and a late one")
    assert held.blocked == ("b", Finding(3, 8, "b"))


def test_nothing_behind_a_block_is_told():
    held = hold(bound("a", "ab", "block"), bound("b", "cd", "warn"))
    held.whole("cd ab cd")
    assert held.found == [("b", Finding(0, 2, "b")), ("a", Finding(3, 5, "a"))]


def test_offsets_are_of_the_whole_text_however_long_it_has_been():
    held = hold(bound("a", "ab"))
    for _ in range(500):
        held.feed("clean text. ")
    held.feed("xab")
    held.finish()
    assert held.cuts == [(6001, 6003)]
    assert held.released == 6003


def test_what_goes_out_is_what_the_released_offset_says():
    held = hold(bound("phone", PHONE))
    held.feed("전화 010")
    assert held.released == 3


def test_a_context_that_is_not_seen_does_not_hide_the_character_before_it():
    text = "5" + "\u200b" * 60 + "123 "
    held = hold(bound("a", r"(?<!\d)123(?!\d)"))
    assert "".join(held.feed(c) for c in text) + held.finish() == text


def test_the_start_of_the_text_stays_where_it_is():
    held = hold(bound("a", "^a"))
    assert "".join(held.feed(c) for c in "a" * 300) == "[a a]" + "a" * 299


@pytest.mark.parametrize("unit", ["x", "0", "\u200b", "ㅋ", "공", "공 ", "0\u200b", "%", "\u0301", "\ud800", "㎏"])
def test_memory_is_bounded_whatever_comes(unit: str):
    held = hold(bound("a", "x{10}"), bound("b", "[zx]x{9}"), bound("c", r"\d+ ?", "warn", 40), bound("d", "0[^a]*1", longest=50))
    held.feed("z")
    most = 0
    for _ in range(3000 // len(unit)):
        held.feed(unit * 3)
        most = max(most, len(held._buffer) + len(held._noted) + len(held._due))
    assert most < 4500 if unit in "\u200b\u0301" or "\u200b" in unit else most < 600


def test_the_worst_hold_back_is_kept():
    held = hold(bound("a", "x{10}"), bound("b", "[zx]x{9}y?"), bound("c", r"\d{1,30}!"))
    took = given = worst = 0
    for piece in ["zxx"] + ["xxx"] * 40 + ["123"] * 40 + ["xy1"] * 40:
        took += 3
        held.feed(piece)
        given = held.released
        worst = max(worst, took - given)
    assert 0 < worst <= held.worst


def test_without_guards_all_goes_out():
    held = hold()
    assert held.feed("text") + held.finish() == "text"


def test_a_guard_that_raises_is_heard():
    class Broken:
        reach = context = 1

        def find(self, view: View, start: int = 0) -> list[Finding]:
            raise ValueError("no")

        def alive(self, view: View, start: int = 0) -> int:
            return len(view.raw)

    held = hold(Bound("broken", Broken(), "redact", lambda text, finding: ""))
    with pytest.raises(ValueError, match="no"):
        held.feed("text")
