"""The split test: however a text is cut, what comes out, what is found and where it is blocked are those of the whole text.

And the whole text's are those of a plain reading: every guard's findings in the text at once, overlapping ones joined.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ConfigError
from server.guards.base import Tools
from server.guards.hold import Bound, Hold
from server.guards.kinds import pattern
from server.guards.linear import Rule, Rules
from server.guards.ruled import Ruled
from server.guards.view import View
from server.guardsettings import Pattern
from tests.server.guards.pii_texts import lines, pii_guard, secrets_guard
from tests.server.guards.test_linear import patterns
from tests.server.guards.test_normal import PIECES


class InDigits:
    """A detector over the view in which numbers in words are numbers."""

    def __init__(self, inner: Ruled) -> None:
        self.inner, self.reach, self.context = inner, inner.reach, inner.context

    def find(self, view: View, start: int = 0):
        return self.inner.find(_Digits(view), start)  # type: ignore[arg-type]

    def alive(self, view: View, start: int = 0):
        return self.inner.alive(_Digits(view), start)  # type: ignore[arg-type]


class _Digits:
    def __init__(self, view: View) -> None:
        self.raw, self.base, self.plain = view.raw, view.base, view.digits


def stand_in(text: str, finding: object) -> str:
    return f"<{text}>"


def bound(name: str, detector: object, action: str) -> Bound:
    return Bound(name, detector, action, stand_in)  # type: ignore[arg-type]


def words(*several: str, patterns: Sequence[str] = (), longest: int = 60) -> Ruled:
    return pattern.make(Pattern(kind="pattern", words=several, patterns=tuple(patterns), longest=longest), "output", Tools())


NUMBERS = [r"(?<!\d)01[016789][- .]?\d{3,4}[- .]?\d{4}(?!\d)", r"(?<!\d)\d{6}-?[1-8]\d{6}(?!\d)"]
LISTS: list[list[Bound]] = [
    [bound("numbers", InDigits(Ruled(Rules([Rule(p, "n") for p in NUMBERS], 40), "n")), "redact")],
    [bound("words", words("비밀번호", "기밀 문서", "secret key", "국가정보원"), "redact")],
    [bound("w", words("비밀번호", patterns=[r"\d{3,}", "[가-힣]+ 문서"]), "warn"), bound("n", words(patterns=NUMBERS), "redact")],
    [
        bound("a", words(patterns=["비밀.{0,9}호"]), "redact"),
        bound("b", words("번호는", "문서"), "block"),
        bound("c", words("기밀"), "redact"),
    ],
    [bound("long", words(patterns=[r"(?s)<b>.*?</b>", r"^\W*010", r"번호\Z"]), "redact")],
]
FIXTURES = [
    "제 번호는 010-1234-5678이고 주민번호는 900101-1234567입니다.",
    "비밀번호는 모른다. 비 밀 번 호를, ㅂㅁㅂㅎ! 기밀문서와 기밀  문서에서 secret  key를",
    "공일공-일이삼사-오육칠팔 또는 공 일 공 일 이 삼 사 오 육 칠 팔, 010일2삼4오6칠8",
    "0\u200b1\u200d0-１２３４\u202e-5678\u202c 01\u00ad0–12%33%34-\\u0035678 &#48;10-1234-5678",
    "ㅂㅣㅁㅣㄹㅂㅓㄴㅎㅗ 기밀문서 비밀번호를",
    "<b>굵게</b> <b>끝나지 않는 010-12345-678 ①②③ ㎏㈜ 비밀번호",
    "e\u0301 p\u0430ss \U000e0030\U000e0031\U000e0030-1234-5678 0️⃣1️⃣0️⃣-1234-5678 \ud83d\ude00 \ud83d",
    "010-1234-5678010-1234-5678 010-1234-567 8 9001011234567890 9001011234567",
    "100% %3 %30%31%30-1234-5678 \\u \\u00 &# &#4 & ㅋㅋㅋ ㅠ 일이 공사 이사 간 날",
    "\u200b" * 90 + "010-1234-5678" + "\u200b" * 70 + "1 비밀번호",
]


def outcome(bounds: Sequence[Bound], pieces: Sequence[str]) -> tuple[object, ...]:
    held = Hold(bounds, "output")
    out = "".join([held.feed(piece) for piece in pieces]) + held.finish()
    return out, held.blocked, held.cuts, held.found, held.released


def plainly(bounds: Sequence[Bound], text: str) -> tuple[str, bool]:
    """The same in the simplest way: mark what is found, replace what hangs together, end at the first block."""
    found = [(f.start, f.end, b.action == "block") for b in bounds if b.action != "warn" for f in b.detector.find(View(text))]
    unions: list[tuple[int, int, bool]] = []
    for start, end, blocks in sorted(found):
        if unions and start < unions[-1][1]:
            unions[-1] = (unions[-1][0], max(end, unions[-1][1]), blocks or unions[-1][2])
        else:
            unions.append((start, end, blocks))
    out, at = "", 0
    for start, end, blocks in unions:
        out += text[at:start]
        if blocks:
            return out, True
        out, at = f"{out}<{text[start:end]}>", end
    return out + text[at:], False


def cuts(text: str, rng: random.Random) -> list[str]:
    places = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(1, max(2, len(text) // 2))))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize("bounds", LISTS)
@pytest.mark.parametrize("text", FIXTURES)
def test_the_whole_is_what_a_plain_reading_says(bounds: list[Bound], text: str) -> None:
    out, blocked, *_ = outcome(bounds, [text])
    assert (out, blocked is not None) == plainly(bounds, text)


def test_the_fixtures_are_found_in() -> None:
    assert all(any(outcome(bounds, [text])[3] for text in FIXTURES) for bounds in LISTS)
    assert all(any(outcome(bounds, [text])[3] for bounds in LISTS) for text in FIXTURES)


@pytest.mark.parametrize("bounds", LISTS)
@pytest.mark.parametrize("text", FIXTURES)
def test_every_cut_into_two_changes_nothing(bounds: list[Bound], text: str) -> None:
    whole = outcome(bounds, [text])
    assert [at for at in range(len(text) + 1) if outcome(bounds, [text[:at], text[at:]]) != whole] == []


@pytest.mark.parametrize("bounds", LISTS)
@pytest.mark.parametrize("text", FIXTURES)
def test_one_character_at_a_time_changes_nothing(bounds: list[Bound], text: str) -> None:
    assert outcome(bounds, list(text)) == outcome(bounds, [text])


@pytest.mark.parametrize("number", range(len(LISTS)))
def test_random_cuts_change_nothing(number: int) -> None:
    rng = random.Random(number)
    for text in FIXTURES:
        whole = outcome(LISTS[number], [text])
        for _ in range(400):
            pieces = cuts(text, rng)
            assert outcome(LISTS[number], pieces) == whole, pieces


def test_numbers_in_words_are_read_by_their_neighbours_though_unseen_characters_part_them() -> None:
    bounds = [bound("x", InDigits(Ruled(Rules([Rule(r"(?<=\d)x", "x")]), "x")), "redact")]
    text = "번호 " + ("\u200b" * 50).join("공일이") + "x"
    assert outcome(bounds, list(text)) == outcome(bounds, [text])
    assert outcome(bounds, [text])[0] == text[:-1] + "<x>"


def test_joined_and_disturbed_fixtures_change_nothing() -> None:
    rng = random.Random(5)
    for _ in range(250):
        bounds = rng.choice(LISTS)
        letters = list(rng.choice(["", " ", "\n"]).join(rng.sample(FIXTURES, 2)))
        for _ in range(rng.randint(0, 6)):
            letters[rng.randrange(len(letters))] = rng.choice(PIECES)
        text = "".join(letters)
        assert outcome(bounds, cuts(text, rng)) == outcome(bounds, [text])


ALL_WORDS = ["ab", "가나", "a b", "가 나", "나각가", "abab"]
texts = st.lists(st.sampled_from([*PIECES, "b", "나", "은", "에서", "ab"]), min_size=1, max_size=25)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(patterns, max_size=2),
            st.lists(st.sampled_from(ALL_WORDS), max_size=3),
            st.sampled_from(["redact", "block", "warn"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    texts,
    st.sampled_from([2, 5, 20]),
    st.randoms(use_true_random=False),
)
def test_random_rules_over_random_texts(
    several: list[tuple[list[str], list[str], str, bool]], parts: list[str], longest: int, rng: random.Random
) -> None:
    bounds = list(made(several, longest))
    text = "".join(parts)
    whole = outcome(bounds, [text])
    for pieces in (parts, list(text), cuts(text, rng)):
        assert outcome(bounds, pieces) == whole


def made(several: list[tuple[list[str], list[str], str, bool]], longest: int) -> Iterator[Bound]:
    for number, (rules, listed, action, digits) in enumerate(several):
        try:
            detector = words(*listed, patterns=rules or ["가ㄱ"], longest=longest)
        except ConfigError:
            continue
        yield bound(str(number), InDigits(detector) if digits else detector, action)


def test_personal_data_under_words_and_warnings() -> None:
    rng = random.Random(9)
    several = [
        bound("w", words("비밀번호", "주문 번호", patterns=[r"\d{3,5}", "[가-힣]+구"]), rng.choice(["warn", "redact"])),
        bound("p", pii_guard("output"), "redact"),
        bound("s", secrets_guard("output"), "redact"),
    ]
    every = [line["text"] for line in lines("pii")]
    for _ in range(60):
        text = " ".join(rng.sample(every, 2))
        whole = outcome(several, [text])
        for _ in range(3):
            assert outcome(several, cuts(text, rng)) == whole
