"""The language of the question, and the languages that it names, must agree: an answer in English does not serve a question in Korean."""

# ruff: noqa: E501 (tables: one row a line, lists of words as words)

from __future__ import annotations

from server.cache.semantic.gates.marks import Marks, only_one
from server.cache.semantic.gates.reading import read

KOREAN_NAMES = {
    "english": "영어 | 영문", "korean": "한국어 | 국문 | 한글로 | 우리말", "japanese": "일본어 | 일어로 | 일어를", "chinese": "중국어 | 중문", "spanish": "스페인어",
    "mandarin": "만다린", "french": "프랑스어 | (?<![가-힣])불어", "german": "독일어", "italian": "이탈리아어", "portuguese": "포르투갈어", "russian": "러시아어", "vietnamese": "베트남어",
    "thai": "태국어", "arabic": "아랍어", "hindi": "힌디어", "indonesian": "인도네시아어", "latin": "라틴어", "dutch": "네덜란드어", "turkish": "터키어 | 튀르키예어",
    "greek": "그리스어", "polish": "폴란드어", "swedish": "스웨덴어",
}  # fmt: skip
# after these a word like "Thai" is no language: "Thai curry", "an Italian licence"
NO_LANGUAGE = r"(?!\ (?:food|curry|restaurant|licen[cs]e|driving|passport|visa|citizen|people|compan|war|history|culture|fries|toast|press|shoes|the|america))"
NAMED = Marks({name: rf"\b{name}\b{NO_LANGUAGE} | {korean}" for name, korean in KOREAN_NAMES.items()})


def language(a: str, b: str) -> str | None:
    """Objects when the questions are in different languages, or name different ones."""
    one, other = read(a).language, read(b).language
    if one != other and one and other:
        return f"one is in {one}, the other in {other}"
    return only_one("language:", NAMED.find(a), NAMED.find(b))
