"""How far a question reaches must agree: all or some, only, at least, except, at most; for whom."""

# ruff: noqa: E501 (tables: one row a line, lists of words as words)

from __future__ import annotations

from server.cache.semantic.gates.marks import Marks, only_one

SCOPES = Marks(
    {
        "only": r"\b(?:only|solely|exclusively|nothing\ but|just\ (?:one|an?|the|part|on|at|some|selected|to))\b(?!\ way) | 오직 | [가-힣]만(?=\s|$) | 만을(?=\s) | 에서만 | 에게만 | 한테만",
        "all": r"\b(?:all|every|each|entire|everything|everyone|everybody|everywhere|whole|always)\b(?!\ right) | 모든 | 모두 | 전부 | 전체 | (?<![가-힣])다(?=\s(?:지우|삭제|없애|보|선택|옮|취소|사용|쓰)) | 항상 | 늘(?=\s) | 한꺼번에",
        "some": r"\b(?:some\ of|part\ of|partial(?:ly)?|a\ few\ of|half\ of|one\ of|individual(?:ly)?|selected)\b | 일부 | 부분 | 몇몇 | 하나씩 | 개별 | 특정",
        "both": r"\b(?:both)\b | 둘\s다 | 양쪽",
        "except": r"\b(?:except|excluding|other\ than|apart\ from|besides|but\ not)\b | 제외 | 빼고 | 말고 | 외에",
        "at least": r"\b(?:at\ least|minimum|min|least|or\ more|no\ less\ than)\b | 최소 | 최저 | 이상(?=[\s의은이인일]) | 적어도",
        "at most": r"\b(?:at\ most|maximum|most\ in|up\ to|or\ less|no\ more\ than|max)\b | 최대 | 이하(?=[\s의은이인일]) | 많아야",
        "under": r"\b(?:in\ under|under|in\ less\ than|less\ than|below|fewer\ than)\ (?:the\ )?[$€£\d] | 미만",
        "over": r"\b(?:over|more\ than|above)\ (?:the\ )?[$€£\d] | 초과",
        "first": r"\bfirst(?:ly)?\b(?!\ (?:aid|of\ all|class|name)) | 첫 | 처음 | 최초",
        "final": r"\b(?:final|last\ (?:one|time|day|episode|name|chapter))\b | 마지막",
        "someone else": r"\b(?:someone\ else|somebody\ else|other\ (?:people|users)|others)\b | 다른\s?(?:사람|사용자|분|회원|계정) | 타인 | 남의 | 남이",
    }
)  # fmt: skip


def scope(a: str, b: str) -> str | None:
    """Objects when a word of scope is only in one of them."""
    return only_one("scope:", SCOPES.find(a), SCOPES.find(b))
