"""What is taken off a text, and the way back to it."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.guards import normal
from server.guards.normal import MOST_UNSEEN, Normal, normalise

PIECES = [
    *"aZ103가각ㄱㅏㅋㄴㄳㅡ -\n.%&\\u１é㎏㈜①…—\u3000а일이공삼一かｶﾞー😀\uffff\ufdfa",
    *("%3", "%30", "%EA%B0%80", "%EA", "%B0", "80", "\\u0031", "\\u3", "14f", "\\x3", "&#4", "9;", "&#x31;"),
    *"\u200b\u202e\ufe0f\u20e3\u0301\u3099\u1100\u1161\u11a8\uffa1\U000e0031\ud83d\ude00",
]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
both = pytest.mark.parametrize("digits", [False, True])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("９００１０１－１２３４５６７", "900101-1234567"),
        ("9\u200b0\u200c0\u200d1\u206001\ufeff", "900101"),
        ("\u202e12\u202c34\u2066\u2069", "1234"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "12"),
        ("\U000e0031\U000e0032", "12"),
        ("so\u00adft", "soft"),
        ("𝟎𝟙𝟸①⑨", "01219"),
        ("٠١٢۳४", "01234"),
        ("a–b—c−d‐e", "a-b-c-d-e"),
        ("a\u00a0b\u3000c\u2003d", "a b c d"),
        ("010ㅡ1234ー5678", "010-1234-5678"),
        ("ㅂㅣㅁㅣㄹ", "비밀"),
        ("ㄷㅏㄹㄱㅣ", "달기"),
        ("ㅋㅋㅋ ㅠㅠ ㅇㅇ", "ㅋㅋㅋ ㅠㅠ ㅇㅇ"),
        ("p\u0430ssw\u043ero", "passworo"),
        ("p\u0338a\u0338", "pa"),
        ("%39%30 \\u0039 &#57; &#x39; \\x39", "90 9 9 9 9"),
        ("%EA%B0%80 \\uac00 &#44032;", "가 가 가"),
        ("\\ud83d\\ude00", "😀"),
        ("100%de 50%", "100%de 50%"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("ﾡￂ", "가"),
    ],
)
def test_disguises_are_taken_off(written: str, read: str) -> None:
    assert normalise(written).text == read


def test_a_decomposed_text_is_the_composed_one() -> None:
    text = "대한민국 값싼 닭 읽다 뷁"
    assert normalise(unicodedata.normalize("NFD", text)).text == text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("공일공-일이삼사-오육칠팔", "010-1234-5678"),
        ("공 일 공 - 일 이 삼 사", "0 1 0 - 1 2 3 4"),
        ("영일영 일이삼사", "010 1234"),
        ("一二三四", "1234"),
        ("010-일2삼4-오6칠8", "010-1234-5678"),
        ("일이 많아 이사 갔다", "일이 많아 이사 갔다"),
        ("010-1234-5678이 이 사람 번호", "010-1234-5678이 이 사람 번호"),
        ("3일 이내 1일 2회", "3일 이내 1일 2회"),
    ],
)
def test_numbers_in_words_are_read_where_they_can_be_nothing_else(written: str, read: str) -> None:
    assert normalise(written, digits=True).text == read


@pytest.mark.parametrize("text", ["plain ASCII, with 100% of it & more\\", "안녕하세요. “오늘”은 12,000원입니다.", "漢字かな", ""])
@both
def test_clean_text_stays(text: str, digits: bool) -> None:
    assert normalise(text, digits).text == text


def test_what_is_taken_for_plain_at_once_is_what_it_would_become_one_by_one() -> None:
    assert [c for c in map(chr, range(0x110000)) if normal._ALL_PLAIN.fullmatch(c) and normal._form(c) != c] == []


def test_a_finding_in_the_middle_of_a_disguise_is_cut_exactly() -> None:
    text = "x\u200b9\u200b0%30\u200b y"
    found = normalise(text)
    start, end = found.text.index("900"), found.text.index("900") + 3
    assert text[found.at(start) : found.until(end)] == "9\u200b0%30"


@settings(max_examples=1500, deadline=None)
@given(texts, st.booleans())
@example("a\u200bㄱ\u200bㅏ\u200bb%EA%B0%80㎏\u200b", False)
def test_the_way_back_is_in_order_and_complete(text: str, digits: bool) -> None:
    found = normalise(text, digits)
    size = len(found.text)
    starts, ends = [found.at(i) for i in range(size)], [found.until(i + 1) for i in range(size)]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))
    spans = list(zip(starts, ends, strict=True))
    assert all(one == other or one[1] <= other[0] for one, other in pairwise(spans))
    assert (found.at(size), found.until(0)) == (len(text), 0)
    assert [found.index(offset) for offset in range(len(text) + 1)] == [
        next((i for i, start in enumerate(starts) if start >= offset), size) for offset in range(len(text) + 1)
    ]


@settings(max_examples=1000, deadline=None)
@given(texts)
def test_each_character_comes_from_where_it_says(text: str) -> None:
    found = normalise(text)
    at = 0
    while at < len(found.text):
        start, end = found.at(at), found.until(at + 1)
        together = [i for i in range(at, len(found.text)) if found.at(i) == start]
        if "-" not in found.text[at:]:  # ㅡ is a dash only behind a digit
            assert normalise(text[start:end]).text == "".join(found.text[i] for i in together)
        at += len(together)


def same(one: Normal, other: Normal, until: int) -> bool:
    def head(found: Normal) -> list[tuple[str, int, int]]:
        spans = [(c, found.at(i), found.until(i + 1)) for i, c in enumerate(found.text)]
        return [span for span in spans if span[1] < until]

    return head(one) == head(other)


@settings(max_examples=1500, deadline=None)
@given(texts, texts, st.booleans())
@example("ㄱ%E3%85", "%8Fx", False)
@example("1 2 ", "3 4", True)
@example("\\ud83d", "\\ude00", False)
def test_what_is_firm_stays_whatever_follows(text: str, more: str, digits: bool) -> None:
    found = normalise(text, digits)
    assert same(found, normalise(text + more, digits), found.firm)


@settings(max_examples=500, deadline=None)
@given(texts, st.booleans())
def test_the_firm_part_grows_with_the_text(text: str, digits: bool) -> None:
    firm = [normalise(text[:size], digits).firm for size in range(len(text) + 1)]
    assert firm == sorted(firm)


@pytest.mark.parametrize("text", ["Hello, world", "안녕하세", "가격은 12,000원", "100% 확실", "각", "하"])
def test_clean_text_is_firm_at_once(text: str) -> None:
    assert normalise(text).firm == len(text)


@pytest.mark.parametrize(("text", "firm"), [("ab%", 2), ("ab%3", 2), ("x\\u00", 1), ("&#4", 0), ("가ㄱ", 1), ("ㄱㅏㄱ", 0), ("ㅋㅋ", 1)])
def test_what_may_become_another_character_is_not(text: str, firm: int) -> None:
    assert normalise(text).firm == firm


def test_more_unseen_characters_than_a_disguise_has_part_what_is_around_them() -> None:
    assert normalise("1" + "\u200b" * MOST_UNSEEN + "2").text == "12"
    assert normalise("1" + "\u200b" * (MOST_UNSEEN + 1) + "2").text == "1\ufffd2"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=30), st.booleans())
def test_any_text_is_taken_and_comes_out_as_valid_utf8(text: str, digits: bool) -> None:
    normalise(text, digits).text.encode()
