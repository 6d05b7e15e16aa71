"""The language of the question, and the languages that it names, must agree: an answer in English does not serve a question in Korean."""

from __future__ import annotations

from server.cache.semantic.gates.marks import Marks, only_one
from server.cache.semantic.gates.reading import read

NAMED = Marks(
    {
        "English": r"\benglish\b | 영어 | 영문",
        "Korean": r"\bkorean\b | 한국어 | 국문 | 한글로 | 우리말",
        "Japanese": r"\bjapanese\b | 일본어 | 일어로 | 일어를",
        "Chinese": r"\b(?:chinese|mandarin|cantonese)\b | 중국어 | 중문",
        "Spanish": r"\bspanish\b | 스페인어 | 서반아어",
        "French": r"\bfrench\b(?!\ (?:fries|toast|press)) | 프랑스어 | 불어",
        "German": r"\bgerman\b | 독일어 | 독어",
        "Italian": r"\bitalian\b | 이탈리아어",
        "Portuguese": r"\bportuguese\b | 포르투갈어",
        "Russian": r"\brussian\b | 러시아어",
        "Vietnamese": r"\bvietnamese\b | 베트남어",
        "Thai": r"\bthai\b | 태국어",
        "Arabic": r"\barabic\b | 아랍어",
        "Hindi": r"\bhindi\b | 힌디어",
        "Indonesian": r"\bindonesian\b | 인도네시아어",
        "Latin": r"\blatin\b(?!\ america) | 라틴어",
        "Dutch": r"\bdutch\b | 네덜란드어",
        "Turkish": r"\bturkish\b | 튀르키예어 | 터키어",
        "Greek": r"\bgreek\b | 그리스어",
        "Polish": r"\bpolish\b(?!\ (?:shoes|the)) | 폴란드어",
        "Swedish": r"\bswedish\b | 스웨덴어",
    }
)


def language(a: str, b: str) -> str | None:
    """Objects when the questions are in different languages, or name different ones."""
    one, other = read(a).language, read(b).language
    if one != other and one and other:
        return f"one is in {one}, the other in {other}"
    return only_one("language:", NAMED.find(a), NAMED.find(b))
