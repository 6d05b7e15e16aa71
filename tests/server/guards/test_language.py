"""In which language a person is answered."""

from __future__ import annotations

import pytest

from server.guards import language


@pytest.mark.parametrize(
    "text",
    [
        "안녕하세요",
        "Kubernetes Deployment를 rolling update 하려면 어떻게 하나요?",
        "다음을 한국어로 번역해줘: The quick brown fox jumps over the lazy dog",
        "이 코드가 뭐 하는 거야?\n```python\nfor i in range(10): print(i); return foo bar baz qux\n```",
        "Summarize: 오늘 회의에서는 예산을 논의했다. 다음 주에 다시 만난다.",
        "my-api-key@example.com 이 주소로 보내 줘",
        "https://example.com/a/long/address/of/many/words 요약",
    ],
)
def test_korean_with_english_in_it_is_korean(text: str):
    assert language.of(text) == "ko"


@pytest.mark.parametrize("text", ["ㄱㅐㅇㅣㄴㅈㅓㅇㅂㅗ", "개\u200b인\u200b정\u200b보", "\u1100\u1161\u1102\u1161", "ㅈㅁㅂㅎ", "ﾡﾢ"])
def test_disguised_korean_is_korean(text: str):
    assert language.of(text) == "ko"


@pytest.mark.parametrize(
    "text",
    [
        "How do you say 안녕하세요 in English?",
        "Translate '안녕하세요 저는 학생입니다' to English",
        "What does 안녕하세요 mean?",
        "```\n# 한국어로 쓴 주석\nx = 1\n```\nWhat does this do?",
        "Don't use `한글 이름` here, and don't ask",
    ],
)
def test_english_that_quotes_korean_is_english(text: str):
    assert language.of(text) == "en"


@pytest.mark.parametrize("text", ["", "123-45", "Bonjour le monde", "日本語で答えてください", "\ud800", "🙂"])
def test_all_others_are_answered_in_english(text: str):
    assert language.of(text) == "en"


def test_a_text_of_nothing_but_quoted_korean_is_korean():
    assert language.of('"안녕하세요"') == "ko"


def test_only_the_ends_of_an_enormous_text_are_read():
    text = "가" + "x" * 3_000_000 + " 나"
    assert language.of(text) == language.of(text[:1000] + " " + text[-1000:])
