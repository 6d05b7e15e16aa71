"""Hangul taken apart, put together again: ㄱㅏ and its conjoining form become 가."""

from __future__ import annotations

from collections.abc import Sequence

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
TAILS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_LEAD = {letter: index for index, letter in enumerate(LEADS)}
_VOWEL = {letter: index for index, letter in enumerate(VOWELS)}
_TAIL = {letter: index + 1 for index, letter in enumerate(TAILS)}

# conjoining and half-width forms -> compatibility letters; a conjoining tail can be nothing else
_PLAIN = {chr(0x1100 + index): letter for index, letter in enumerate(LEADS)}
_PLAIN |= {chr(0x1161 + index): letter for index, letter in enumerate(VOWELS)}
_PLAIN |= {chr(0x11A8 + index): letter for index, letter in enumerate(TAILS)}
_HALF = "ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_PLAIN |= {chr(0xFFA1 + index): letter for index, letter in enumerate(_HALF)}
_HALF_VOWELS = (range(0xFFC2, 0xFFC8), range(0xFFCA, 0xFFD0), range(0xFFD2, 0xFFD8), range(0xFFDA, 0xFFDD))
_PLAIN |= {chr(code): letter for code, letter in zip((c for codes in _HALF_VOWELS for c in codes), VOWELS, strict=True)}
_ALL = frozenset(_PLAIN) | frozenset(_LEAD) | frozenset(_VOWEL) | frozenset(_TAIL)

Part = tuple[str, int, int]  # a letter and the characters [start, end) that it came from


def is_jamo(character: str) -> bool:
    return character in _ALL


def compose(parts: Sequence[Part]) -> list[Part]:
    """Syllables of letters that follow one another; a letter without partners stays. At most the last one can change with more letters."""
    letters = [_PLAIN.get(character, character) for character, _, _ in parts]
    found: list[Part] = []
    at, size = 0, len(parts)
    while at < size:
        length = _syllable(letters, at, size)
        if length == 1:
            made = letters[at]
        else:
            tail = _TAIL[letters[at + 2]] if length == 3 else 0
            made = chr(0xAC00 + (_LEAD[letters[at]] * 21 + _VOWEL[letters[at + 1]]) * 28 + tail)
        found.append((made, parts[at][1], parts[at + length - 1][2]))
        at += length
    return found


def _syllable(letters: Sequence[str], at: int, size: int) -> int:
    """How many letters make a syllable at `at`: 3, 2, or 1 where they make none."""
    if letters[at] not in _LEAD or at + 1 >= size or letters[at + 1] not in _VOWEL:
        return 1
    has_tail = at + 2 < size and letters[at + 2] in _TAIL
    opens_next = has_tail and at + 3 < size and letters[at + 3] in _VOWEL and letters[at + 2] in _LEAD
    return 3 if has_tail and not opens_next else 2
