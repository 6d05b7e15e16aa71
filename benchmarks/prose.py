"""Ordinary text in English and Korean, as an engine streams it: in tokens of a few letters. Nothing in it is for a guard."""

from __future__ import annotations

import re

TEXTS = {
    "en": (
        "A cache keeps what was asked for before, so that the same question costs nothing the second time. Most of the work is not"
        " in keeping things, though, but in knowing when two questions are the same, and when something that was kept is no longer"
        " true. Good caches are boring: they forget what nobody uses, they say what they do, and they never serve an answer to"
        " somebody it was not meant for. When in doubt they do nothing, and let the slower system behind them give its answer. "
    ),
    "ko": (
        "캐시는 한 번 물어본 것을 기억해 두었다가 같은 질문이 다시 오면 바로 답합니다. 그런데 어려운 일은 저장이 아니라 두 질문이"
        " 정말 같은지, 저장해 둔 답이 아직도 맞는지 아는 것입니다. 좋은 캐시는 심심합니다. 아무도 쓰지 않는 것은 잊어버리고, 무엇을"
        " 하는지 숨기지 않으며, 다른 사람의 답을 엉뚱한 사람에게 내주지 않습니다. 확신이 없으면 아무것도 하지 않고 뒤에 있는 느린"
        " 시스템이 답하게 둡니다. "
    ),
}


def tokens(language: str, count: int) -> list[str]:
    """`count` pieces of up to four letters, a word's space before it; the text begins again at its end."""
    pieces = re.findall(r"\s*\S{1,2}" if language == "ko" else r"\s*\S{1,4}", TEXTS[language].rstrip() + " ")
    return [pieces[i % len(pieces)] if i % len(pieces) or not i else " " + pieces[0] for i in range(count)]


def text(language: str, characters: int) -> str:
    """The beginning of the text, repeated as often as it takes."""
    return (TEXTS[language] * (characters // len(TEXTS[language]) + 1))[:characters].rstrip()
