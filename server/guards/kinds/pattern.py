"""Regular expressions and words, seen through disguises.

A word is found where it stands alone: no letter or figure of its script right before it, and behind it none but a Korean
particle (비밀번호는, 비밀번호를). \\b in an expression is a boundary of ASCII words, so `\\bkey\\b` finds `key를` too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from server.errors import ConfigError
from server.guards.base import Side, Tools
from server.guards.linear import Rule
from server.guards.normal import normalise
from server.guards.ruled import Ruled
from server.guardsettings import Pattern

PARTICLES = (
    "은", "는", "이", "가", "을", "를", "에", "의", "도", "만", "과", "와", "로", "으로", "랑", "이랑",
    "나", "이나", "야", "이야", "아", "요", "이요", "에서", "에게", "에게서", "한테", "한테서", "께", "께서",
    "부터", "까지", "마저", "조차", "처럼", "보다", "밖에", "라고", "이라고", "라는", "이라는", "라도", "이라도",
    "든지", "이든지", "입니다", "이다", "이에요", "예요", "인데", "이며", "며", "이고", "고", "들", "들은", "들이",
    "들을", "들의", "님", "님은", "님이", "님을",
)  # fmt: skip
_HANGUL = re.compile("[\uac00-\ud7a3]")
_BEFORE = "(?<![가-힣0-9A-Za-z])"
_PARTICLE = "(?:" + "|".join(sorted(PARTICLES, key=len, reverse=True)) + ")?"
MOST_WORDS = 20_000
AT_ONCE = 400  # words of one expression


def make(settings: Pattern, side: Side, tools: Tools) -> Ruled:
    """Raises ConfigError."""
    rules = [Rule(pattern, f"p{number}", settings.ignore_case) for number, pattern in enumerate(settings.patterns)]
    kernels: dict[str, re.Pattern[str]] = {}
    words = list(dict.fromkeys(_words(settings)))
    if len(words) > MOST_WORDS:
        raise ConfigError(f"guard '{settings.label}' has {len(words)} words: {MOST_WORDS} at most.")
    for korean in (False, True):
        group = sorted((w for w in words if (_HANGUL.search(w[-1]) is not None) is korean), key=len, reverse=True)
        for start in range(0, len(group), AT_ONCE):
            name = f"w{int(korean)}-{start}"
            inner = "(?:" + "|".join(_expression(word) for word in group[start : start + AT_ONCE]) + ")"
            behind = f"{_PARTICLE}(?![가-힣])" if korean else "(?![0-9A-Za-z_])"
            rules.append(Rule(f"{_BEFORE}{inner}{behind}", name, settings.ignore_case))
            if korean:
                kernels[name] = re.compile(inner, re.IGNORECASE if settings.ignore_case else 0)
    try:
        return Ruled(rules, settings.category, settings.longest, kernels)
    except ConfigError as error:
        raise ConfigError(f"guard '{settings.label}': {error.message}") from None


def _words(settings: Pattern) -> Iterator[str]:
    lines = list(settings.words)
    if settings.words_file is not None:
        try:
            lines += Path(settings.words_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"guard '{settings.label}': words_file {settings.words_file} cannot be read: {said}.") from None
    for line in lines:
        word = normalise(line.partition("#")[0] if line.startswith("#") or " #" in line else line).text.strip()
        if word:
            yield word


def _expression(word: str) -> str:
    """The word, with any white space where it has some."""
    return "[ \\t\\n]{1,3}".join(re.escape(part) for part in word.split())
