"""Patterns and words of a guard, and what disguises of them are seen through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ConfigError
from server.guards.base import Tools
from server.guards.kinds import pattern
from server.guards.ruled import Ruled
from server.guards.view import View
from server.guards.words import Words
from server.guardsettings import Pattern


def guard(**keys: Any) -> Ruled:
    return pattern.make(Pattern(kind="pattern", **keys), "output", Tools())


def found(text: str, **keys: Any) -> list[str]:
    return [text[finding.start : finding.end] for finding in guard(**keys).find(View(text))]


@pytest.mark.parametrize(
    "behind", ["", "는", "를", "에서", "에서는", "입니다", "이에요", "들이", ".", "!", " 모름", "\n", "ㅋㅋ", "123", "abc"]
)
def test_a_korean_word_is_found_whole_or_with_a_particle(behind: str):
    assert found(f"내 비밀번호{behind}", words=("비밀번호",)) == ["비밀번호"]


@pytest.mark.parametrize("text", ["비밀번호부", "왕비밀번호", "a비밀번호", "비밀번호를를", "비밀번", "비밀"])
def test_a_part_of_another_word_is_not(text: str):
    assert found(text, words=("비밀번호",)) == []


@pytest.mark.parametrize("text", ["bomb", "a bomb.", "BOMB", "(bomb)", "bomb을", "폭탄/bomb/"])
def test_a_latin_word_is_found_whole(text: str):
    assert [each.lower() for each in found(text, words=("bomb",))] == ["bomb"]


@pytest.mark.parametrize("text", ["bombs", "abomb", "bomb_", "bomb1", "폭탄bomb"])
def test_a_part_of_another_latin_word_is_not(text: str):
    assert found(text, words=("bomb",)) == []


@pytest.mark.parametrize("text", ["기밀문서", "기밀 문서", "기밀  문서", "기밀\n문서", "기밀 \t 문서"])
def test_between_hangul_the_space_of_a_phrase_is_free(text: str):
    assert found(f"그 {text}를", words=("기밀 문서",)) == [text]


@pytest.mark.parametrize(("text", "count"), [("secret key", 1), ("secret   key", 1), ("secretkey", 0), ("secret    key", 0)])
def test_between_latin_words_there_must_be_one(text: str, count: int):
    assert len(found(text, words=("secret key",))) == count


@pytest.mark.parametrize(
    "written", ["비 밀 번 호", "비.밀.번.호", "비-밀-번-호", "ㅂㅁㅂㅎ", "ㅂㅣㅁㅣㄹㅂㅓㄴㅎㅗ", "비\u200b밀번\u00ad호", "비밀번%ED%98%B8"]
)
def test_a_word_taken_apart_is_seen_through(written: str):
    assert found(f"그 {written}는?", words=("비밀번호",)) == [written]


@pytest.mark.parametrize("written", ["b.o.m.b", "ｂｏｍｂ", "b\u043emb", "b*o*m*b", "𝐛𝐨𝐦𝐛", "ⓑⓞⓜⓑ", "b\u0301omb"])
def test_a_latin_word_in_disguise_is_seen_through(written: str):
    assert len(found(f"a {written} b", words=("bomb",))) == 1


@pytest.mark.parametrize("text", ["비. 밀 번-호", "비 밀 번 호텔", "ㅋㅋㅋㅋ", "ㅂㅁㅂㅎㅎ", "ㅋㅂㅁㅂㅎ", "a b c"])
def test_what_only_looks_like_it_is_not(text: str):
    assert found(text, words=("비밀번호", "크크크크", "abc")) == []


def test_of_words_that_begin_alike_the_longest_is_found():
    assert found("비밀번호 찾기 비밀번호", words=("비밀번호", "비밀번호 찾기")) == ["비밀번호 찾기", "비밀번호"]


def test_case_counts_if_it_is_told_to():
    assert found("Key key", words=("Key",), ignore_case=False) == ["Key"]
    assert found("Key key", patterns=("Key",), ignore_case=False) == ["Key"]
    assert found("Key key", patterns=("Key",)) == ["Key", "key"]


def test_patterns_and_words_are_found_in_their_order_in_the_text_and_never_over_one_another():
    assert found("기밀 A-12 비밀번호 12 비밀", words=("비밀", "비밀번호"), patterns=(r"[A-Z]-\d+", r"번호 \d+")) == [
        "A-12",
        "비밀번호",
        "비밀",
    ]


def test_words_come_from_a_file_with_comments(tmp_path: Path):
    file = tmp_path / "words.txt"
    file.write_text("\ufeff# 첫 줄\n기밀  # 이유\n\nC#\n", encoding="utf-8")
    assert found("기밀 # C# 이유", words_file=str(file)) == ["기밀", "C#"]


def test_a_number_sign_in_a_word_of_the_configuration_is_no_comment():
    assert found("the #1 pick", words=("#1",)) == ["#1"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_words_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | None):
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="words_file"):
        guard(words_file=str(file))


def test_a_pattern_that_is_refused_names_the_guard():
    with pytest.raises(ConfigError, match=r"'mine'.*back-reference"):
        guard(patterns=(r"(a)\1",), name="mine")


def test_too_many_words_are_refused(tmp_path: Path):
    file = tmp_path / "words.txt"
    file.write_text("\n".join(f"w{number}" for number in range(pattern.MOST_WORDS + 1)))
    with pytest.raises(ConfigError, match="at most"):
        guard(words_file=str(file))


def test_a_word_that_is_longer_than_allowed_is_not_found():
    assert found("가나다라마바사", words=("가나다라마바사",), longest=5) == []


@pytest.mark.parametrize("text", ["비", "비밀번", "비밀번호", "비밀번호에", "비 ", "비.밀", "ㅂㅁ"])
def test_what_may_become_a_word_waits(text: str):
    view = View(f"그 {text}")
    assert guard(words=("비밀번호",)).alive(view) == 2


@pytest.mark.parametrize("text", ["비밀번호.", "비밀번호에게로", "비켜", "왕비밀", "비밀번호북", "안녕"])
def test_what_cannot_does_not(text: str):
    view = View(f"그 {text}")
    assert guard(words=("비밀번호",)).alive(view) == len(view.raw)


LETTERS = "가나a은에 .ㄱ"


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.text("가나a ", min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=4),
    st.text(LETTERS, max_size=14),
    st.text(LETTERS, max_size=6),
    st.sampled_from([3, 50]),
)
def test_what_is_before_alive_stands_whatever_follows(words: list[str], text: str, more: str, longest: int):
    matcher = Words(words, "w", True, longest)
    alive = matcher.alive(text)
    before, behind = list(matcher.find(text)), list(matcher.find(text + more))
    assert [hit for hit in behind if hit.start < alive] == [hit for hit in before if hit.start < alive]


@pytest.mark.parametrize("size", [4094, 4095, 4096, 4097])
def test_words_in_a_large_text_are_found_wherever_it_is_cut_for_the_search(size: int):
    text = "." * size + " 비밀번호를"
    assert found(text, words=("비밀번호",)) == ["비밀번호"]
