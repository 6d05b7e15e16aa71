"""A text with its disguises taken off, and where in the text each character of it came from.

Taken off: what is not seen (zero-width and bidi characters, variation selectors, tags, fillers, marks that combine), what
looks like something else (full-width and mathematical forms by NFKC, other scripts' digits, look-alike letters, dashes and
spaces of all sorts), what is written otherwise (%30, \\u0030, &#48;), and syllables taken apart (ㄱㅏ). With `digits`, numbers
written in Hangul or Chinese digits become numbers too (공일공 -> 010).

Each of these is decided by a few characters around it, so what stands before `firm` stays as it is whatever text follows.
A letter that is followed by a combining mark is the bare letter: to compose them, every last letter would have to wait.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

from server.guards.jamo import compose, is_jamo
from server.guards.lookalikes import FOLDED
from server.guards.numerals import to_digits

# Characters that stand for themselves in every respect: most texts are of nothing else.
_PLAIN = (
    "\n\t\r -~\u00a1-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00bb\u00bf-\u02af"
    "\u2018-\u201f\u2190-\u2199\u3001\u300a-\u3011\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
    "\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6ff"
)
_ALL_PLAIN = re.compile(f"[{_PLAIN}]*")
_TAIL = "%[89abAB][0-9A-Fa-f]"  # of a character in UTF-8
_ESCAPE = (
    rf"%[c-dC-D][0-9A-Fa-f]{_TAIL}|%[eE][0-9A-Fa-f](?:{_TAIL}){{2}}|%[fF][0-7](?:{_TAIL}){{3}}|%[0-9A-Fa-f]{{2}}"
    r"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
    r"|&#[xX]0{0,4}[0-9A-Fa-f]{1,5};|&#0{0,4}[0-9]{1,6};"
)
_HAS_ESCAPE = re.compile(_ESCAPE)
_PART = re.compile(f"(?P<escape>{_ESCAPE})|(?P<plain>(?:(?![%\\\\&])[{_PLAIN}])+)|(?P<other>.)", re.DOTALL)
_OPEN = re.compile(  # the start of an escape, at the end of the text
    rf"(?:%[c-dC-D][0-9A-Fa-f](?:%[89abAB]?)?|%[eE][0-9A-Fa-f](?:{_TAIL})?(?:%[89abAB]?)?"
    rf"|%[fF][0-7](?:{_TAIL}){{0,2}}(?:%[89abAB]?)?|%[0-9A-Fa-f]?"
    r"|\\u[dD][89abAB][0-9A-Fa-f]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9A-Fa-f]?)?)?)?)?|\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?)?"
    r"|&(?:#(?:[xX]?[0-9A-Fa-f]{0,9})?)?)\Z"
)
LONGEST_ESCAPE = 14
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e007f-\U000e0fff]"
)
_DASHES = frozenset(
    "\u02d7\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\u2796\u2cba\u301c\u3030"
    "\ufe31\ufe32\ufe58\ufe63\uff0d\uff5e\u223c\u2e3a\u2e3b\u30a0"
)
_DASHES_BEHIND_DIGITS = frozenset("\u30fc\uff70\u3161")  # letters otherwise: the long vowel of kana, and ㅡ
_DOTS = frozenset("\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65\u318d\u3002\uff61\u2024\u00b8")
_TAGS = range(0xE0020, 0xE007F)


class Normal:
    """`text`: normalised. Offsets are in characters."""

    __slots__ = ("_ends", "_raw", "_starts", "firm", "text")

    def __init__(self, text: str, raw: int, starts: Sequence[int] | None, ends: Sequence[int] | None, firm: int) -> None:
        """`raw`: the length of the text as it came. `starts` and `ends` of each character; None: they are where they were."""
        self.text = text
        self._raw = raw
        self._starts = starts
        self._ends = ends
        self.firm = firm  # raw characters before it stay as they are

    def at(self, index: int) -> int:
        """Where in the raw text character `index` begins; its length for the one after the last."""
        if self._starts is None:
            return index
        return self._starts[index] if index < len(self._starts) else self._raw

    def until(self, index: int) -> int:
        """Where in the raw text that ends which character `index` - 1 came from."""
        if self._ends is None or index == 0:
            return index
        return self._ends[index - 1]

    def index(self, raw: int) -> int:
        """The first character that begins at or after `raw`."""
        return raw if self._starts is None else bisect_left(self._starts, raw)

    def digits(self) -> Normal:
        """The same with numbers that are written in words as numbers."""
        sure = self.index(self.firm)
        text, open_at = to_digits(self.text, sure)
        firm = min(self.firm, self.at(open_at)) if open_at < sure else self.firm
        return self if text is self.text and firm == self.firm else Normal(text, self._raw, self._starts, self._ends, firm)


def normalise(raw: str, digits: bool = False) -> Normal:
    """`raw` with its disguises taken off."""
    found = _normalise(raw)
    return found.digits() if digits else found


def _normalise(raw: str) -> Normal:
    firm = len(raw)
    opening = _OPEN.search(raw, max(0, firm - LONGEST_ESCAPE))
    if opening is not None:
        firm = opening.start()
    plain = _ALL_PLAIN.match(raw)
    assert plain is not None
    if plain.end() == len(raw) and not _HAS_ESCAPE.search(raw):
        return Normal(raw, len(raw), None, None, firm)
    return _Slow(raw, firm).normal()


class _Slow:
    def __init__(self, raw: str, firm: int) -> None:
        self.raw = raw
        self.firm = firm
        self.out: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.last = ""
        self.jamo: list[tuple[str, int, int]] = []

    def normal(self) -> Normal:
        for part in _PART.finditer(self.raw):
            start, end = part.span()
            if part.lastgroup == "plain":
                self._flush()
                text = part.group()
                self.out.append(text)
                self.last = text[-1]
                self.starts.extend(range(start, end))
                self.ends.extend(range(start + 1, end + 1))
            elif part.lastgroup == "escape":
                self._escape(part.group(), start)
            else:
                self._one(part.group(), start, end)
        self._flush(at_end=True)
        return Normal("".join(self.out), len(self.raw), self.starts, self.ends, self.firm)

    def _escape(self, text: str, start: int) -> None:
        end = start + len(text)
        if text[0] == "%":
            character = bytes.fromhex(text.replace("%", "")).decode("utf-8", "replace")[0]
        elif text[0] == "&":
            code = int(text[3:-1], 16) if text[2] in "xX" else int(text[2:-1])
            character = chr(code) if code < 0x110000 else "\ufffd"
        elif len(text) == 12:
            high, low = int(text[2:6], 16), int(text[8:12], 16)
            character = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        else:
            character = chr(int(text[2:], 16))
        self._one(character, start, end)

    def _one(self, character: str, start: int, end: int) -> None:
        """One character, as it came or out of an escape."""
        if _UNSEEN.match(character):
            return
        code = ord(character)
        if code in _TAGS:
            character = chr(code - 0xE0000)
        elif 0xD800 <= code <= 0xDFFF:
            character = "\ufffd"
        if is_jamo(character) and not (character in _DASHES_BEHIND_DIGITS and self._behind_digit()):
            self.jamo.append((character, start, end))
            return
        self._flush()
        for one in self._forms(character):
            self.out.append(one)
            self.last = one
            self.starts.append(start)
            self.ends.append(end)

    def _behind_digit(self) -> bool:
        return not self.jamo and "0" <= self.last <= "9"

    def _forms(self, character: str) -> str:
        if character in _DASHES or (character in _DASHES_BEHIND_DIGITS and self._behind_digit()):
            return "-"
        if character in _DOTS:
            return "."
        folded = FOLDED.get(character)
        if folded is not None:
            return folded
        category = unicodedata.category(character)
        if category == "Zs" or character in "\u2800\u2028\u2029\u0085":
            return " "
        if category[0] == "M":
            return ""
        if category == "Nd":
            return str(unicodedata.decimal(character))
        form = unicodedata.normalize("NFKC", character)
        if form == character:
            return character
        return "".join(
            FOLDED.get(one, "-" if one in _DASHES else " " if unicodedata.category(one) == "Zs" else one)
            for one in form
            if unicodedata.category(one)[0] != "M" and not _UNSEEN.match(one)
        )

    def _flush(self, at_end: bool = False) -> None:
        """The jamo that have gathered, as syllables."""
        if not self.jamo:
            return
        syllables = compose(self.jamo)
        if at_end:
            self.firm = min(self.firm, syllables[-1][1])
        for syllable, start, end in syllables:
            self.out.append(syllable)
            self.starts.append(start)
            self.ends.append(end)
        self.last = syllables[-1][0]
        self.jamo = []
