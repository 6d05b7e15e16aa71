"""Numbers written in Hangul or Chinese digits: 공일공-일이삼사 -> 010-1234. Only where they can be nothing else.

일, 이, 사, 오 are among the commonest syllables of Korean, and 이 follows every number as a particle (5678이). So digits in
words are read as digits where three or more of them stand together, or one at a time with the same separator between, or
where one or two stand between one or two figures of the same group (공1공).
"""

from __future__ import annotations

import re

from server.guards.sieve import Sieve

_DIGIT = dict(zip("공영령일이삼사오육륙칠팔구빵〇零一二三四五六七八九壹貳參", "0001234566789" + "0" + "00123456789" + "123", strict=True))
_WORDS = "".join(_DIGIT)
_HAS = re.compile(f"[{_WORDS}]")
_ANY = f"[0-9{_WORDS}]"
_READ = Sieve(f"[{_WORDS}]{{3}}|[0-9][{_WORDS}]|[{_WORDS}][0-9]|{_ANY}(?:[ .,/_-]{{1,2}}{_ANY}){{2}}")  # what is read as figures has it
_STRETCH = re.compile(f"[{_WORDS}]+")
_SINGLES = re.compile(f"(?<![0-9{_WORDS}])(?:[0-9{_WORDS}])(?:([ .,/_-]{{1,2}})[0-9{_WORDS}](?![0-9{_WORDS}])){{2,}}")
_OPEN = re.compile(f"[0-9{_WORDS}][0-9{_WORDS} .,/_-]*\\Z")
WINDOW = 24  # characters at the end of a text that may still be read otherwise


def to_digits(text: str, sure: int) -> tuple[str, int]:
    """`text` with such numbers in figures (each character stays in its place), and from where on that may change with more text.

    What stands at and behind `sure` may itself become another text.
    """
    if not _HAS.search(text):
        return text, sure
    read = _read(text) if _READ(text) else text
    tail = _OPEN.search(text[:sure], max(0, sure - WINDOW))
    first = _HAS.search(text, tail.start(), sure) if tail is not None else None  # figures stay as they are
    return read, first.start() if first is not None else sure


def _read(text: str) -> str:
    out: list[str] | None = None
    for found in _STRETCH.finditer(text):
        start, end = found.span()
        if end - start >= 3 or _between_figures(text, start, end):
            out = out or list(text)
            out[start:end] = [_DIGIT[c] for c in found.group()]
    for found in _SINGLES.finditer(text):
        out = out or list(text)
        for at in range(*found.span()):
            out[at] = _DIGIT.get(text[at], text[at])
    return "".join(out) if out is not None else text


def _between_figures(text: str, start: int, end: int) -> bool:
    """Whether one or two digits in words belong to a group of figures: 공1공, 0일0, 010-일2삼4."""
    left = _figures(text, start - 1, -1)
    right = _figures(text, end, 1)
    if left > 2 or right > 2 or not (left or right):
        return False
    if left and right:
        return True
    if right:  # a group begins with it: only behind a separator or nothing
        return start == 0 or not text[start - 1].isalpha()
    return end < len(text) and text[end] in "-." and end + 1 < len(text) and (text[end + 1].isdigit() or text[end + 1] in _DIGIT)


def _figures(text: str, at: int, step: int) -> int:
    """How many ASCII digits stand from `at` on in one direction, up to 3."""
    count = 0
    while count < 3 and 0 <= at < len(text) and "0" <= text[at] <= "9":
        count += 1
        at += step
    return count
