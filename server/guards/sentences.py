"""Where sentences end, on a text that is still coming.

A judge reads an answer sentence by sentence. Every end is decided by the text before it and at most two characters
after it, so the sentences are the same however the text is cut into chunks; together they are the text, to the byte.
Spaces after a sentence begin the next one.
"""

from __future__ import annotations

import re

LONGEST = 600  # characters: what has no end is cut here, at a space where there is one
SHORTEST = 10  # visible characters: a shorter sentence ("네.", "1.", "Sure!") goes with the next
AHEAD = 2  # characters after an end that decide it

_END = re.compile(r"[.!?…。！？｡]+[\"'”’»)\]」』】》*_`]{0,4}|\n")
_ALWAYS = frozenset("。！？｡\n")  # these end a sentence with nothing after them
_SPACE = re.compile(r"\s")
_WORD = re.compile(r"[^\s(\[\"'“‘「『<*_]*$")
_KOREAN = re.compile(r"[가-힣][다요죠까네음임함됨군지라자오]\.$")
_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "sr",
        "jr",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "cf",
        "al",
        "no",
        "nos",
        "fig",
        "figs",
        "eq",
        "sec",
        "ch",
        "vol",
        "pp",
        "ed",
        "eds",
        "approx",
        "dept",
        "inc",
        "ltd",
        "co",
        "corp",
        "a.m",
        "p.m",
        "u.s",
        "u.k",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "mt",
        "gen",
        "col",
        "capt",
        "rev",
        "hon",
    ]
)


class Sentences:
    """Text in, whole sentences out. One object a text."""

    def __init__(self) -> None:
        self._text = ""
        self._from = 0  # no sentence ends before this character

    def feed(self, text: str) -> list[str]:
        """The sentences that are whole now."""
        self._text += text
        found, start = [], 0
        while (end := self._next(start)) is not None:
            found.append(self._text[start:end])
            start = self._from = end
        self._text = self._text[start:]
        self._from -= start
        return found

    def finish(self) -> list[str]:
        """What is left at the end of the text: one sentence or none."""
        rest, self._text, self._from = self._text, "", 0
        return [rest] if rest else []

    def _next(self, start: int) -> int | None:
        """Where the sentence that begins at `start` ends; None: not known yet."""
        text, most = self._text, start + LONGEST
        for match in _END.finditer(text, max(start, self._from), most + AHEAD):
            end = match.end()
            if end > most:
                break
            if match.group()[0] != "\n" and end + AHEAD > len(text):
                self._from = match.start()
                return None
            if _ends(text, start, match.start(), end) and not _is_short(text[start:end]):
                return end
            self._from = end
        if len(text) < most + AHEAD:
            return None
        space = max(text.rfind(" ", most - LONGEST // 2, most), text.rfind("\n", most - LONGEST // 2, most))
        return space if space > 0 else most


def split(text: str) -> list[str]:
    """The sentences of a whole text."""
    sentences = Sentences()
    return [*sentences.feed(text), *sentences.finish()]


def _is_short(sentence: str) -> bool:
    return len("".join(sentence.split())) < SHORTEST


def _ends(text: str, begin: int, start: int, end: int) -> bool:
    """Whether the mark at text[start:end] ends the sentence that begins at `begin`. It may look at text[:end + AHEAD] alone."""
    if text[start] in _ALWAYS or text[end - 1] in _ALWAYS:
        return True
    if not _SPACE.match(text, end):
        return bool(_KOREAN.search(text, max(begin, start - 2), start + 1)) and "가" <= text[end] <= "힣"  # 했습니다.그리고
    if text[start:end] != ".":
        return True
    found = _WORD.search(text, max(begin, start - 20), start)
    word = found.group().lower() if found else ""
    if word.isdigit():  # 2024. 5. 3., and a list's "1. First", are no ends
        return not text[end + 1].isdigit() and len(word) != 1 and bool(text[begin : start - len(word)].strip())
    return word not in _ABBREVIATIONS and not (len(word) == 1 and word.isascii() and word.isalpha())
