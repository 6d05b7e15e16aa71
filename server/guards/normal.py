"""A text with its disguises taken off, and where in the text each character of it came from.

Taken off: what is not seen (zero-width and bidi characters, variation selectors, tags, fillers, marks that combine), what
looks like something else (full-width and mathematical forms by NFKC, other scripts' digits, look-alike letters, dashes and
spaces of all sorts), what is written otherwise (%30, \\u0030, &#48;), and syllables taken apart (ㄱㅏ). With `digits`, numbers
written in Hangul or Chinese digits become numbers too (공일공 -> 010).

Each of these is decided by a few characters around it, so what stands before `firm` stays as it is whatever text follows.
A letter that is followed by a combining mark is the bare letter: to compose them, every last letter would have to wait.
Of more than MOST_UNSEEN characters that are not seen, the next is read as U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge

from server.guards.jamo import compose, is_jamo
from server.guards.lookalikes import FOLDED
from server.guards.numerals import to_digits

# Characters that stand for themselves in every respect: most texts are of nothing else.
_PLAIN = "\n\t\r -~\u2018-\u201e\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
_ALL_PLAIN = re.compile(f"[{_PLAIN}]*")
_TAIL = "%[89abAB][0-9A-Fa-f]"  # of a character in UTF-8
_ESCAPE = (
    rf"%[c-dC-D][0-9A-Fa-f]{_TAIL}|%[eE][0-9A-Fa-f](?:{_TAIL}){{2}}|%[fF][0-7](?:{_TAIL}){{3}}|%[0-7][0-9A-Fa-f]"
    r"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
    r"|&#[xX]0{0,4}[0-9A-Fa-f]{1,5};|&#0{0,4}[0-9]{1,6};"
)
_HAS_ESCAPE = re.compile(_ESCAPE)
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
MOST_UNSEEN = (
    64  # characters that are not seen between two that are: more of them are no disguise, and a stream would be held back for them
)
_ODD = "\uffff"  # in a text that was folded: here is no one character
_ODDS = re.compile(_ODD)


def _form(character: str) -> str:
    """What a character is read as, by itself: none, one or several."""
    code = ord(character)
    if _UNSEEN.match(character):
        return ""
    if code in _TAGS:
        return chr(code - 0xE0000)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if character in _DASHES:
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


class _Forms(dict[int, str]):
    """For `str.translate`: what stands for a character, _ODD where that is not one character or depends on others. Filled as needed."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        form = _ODD if is_jamo(character) or character in _DASHES_BEHIND_DIGITS else _form(character)
        if len(form) != 1:
            form = _ODD
        if len(self) < MOST_FORMS:
            self[code] = form
        return form


MOST_FORMS = 20_000
_FORMS = _Forms()
_one_form = lru_cache(MOST_FORMS)(_form)


Edit = tuple[int, int, int, int]  # characters [n0, n1) of the normalised text came from [r0, r1) of the raw one


class Normal:
    """`text`: normalised. Offsets are in characters. Between two edits the texts run beside one another, character by character."""

    __slots__ = ("_edits", "_n0", "_r0", "_raw", "firm", "text")

    def __init__(self, text: str, raw: int, edits: Sequence[Edit], firm: int) -> None:
        """`raw`: the length of the text as it came."""
        self.text = text
        self._raw = raw
        self._edits = edits
        self._n0 = [edit[0] for edit in edits]
        self._r0 = [edit[2] for edit in edits]
        self.firm = firm  # raw characters before it stay as they are

    def at(self, index: int) -> int:
        """Where in the raw text character `index` begins; its length for the one after the last."""
        if index >= len(self.text):
            return self._raw
        place = bisect_right(self._n0, index) - 1
        if place < 0:
            return index
        _, n1, r0, r1 = self._edits[place]
        return r0 if index < n1 else r1 + index - n1

    def until(self, index: int) -> int:
        """Where in the raw text that ends which character `index` - 1 came from."""
        place = bisect_left(self._n0, index) - 1
        if place < 0:
            return index
        _, n1, _, r1 = self._edits[place]
        return r1 if index <= n1 else r1 + index - n1

    def index(self, raw: int) -> int:
        """The first character that begins at or after `raw`."""
        place = bisect_left(self._r0, raw) - 1
        if place >= 0:
            _, n1, _, r1 = self._edits[place]
            raw = n1 + max(0, raw - r1)
        return min(raw, len(self.text))

    def digits(self) -> Normal:
        """The same with numbers that are written in words as numbers."""
        sure = self.index(self.firm)
        text, open_at = to_digits(self.text, sure)
        firm = min(self.firm, self.at(open_at)) if open_at < sure else self.firm
        return self if text is self.text and firm == self.firm else Normal(text, self._raw, self._edits, firm)


def normalise(raw: str, digits: bool = False) -> Normal:
    """`raw` with its disguises taken off."""
    found = _normalise(raw)
    return found.digits() if digits else found


def _normalise(raw: str) -> Normal:
    firm = len(raw)
    opening = _OPEN.search(raw, max(0, firm - LONGEST_ESCAPE))
    if opening is not None:
        firm = opening.start()
    escapes = ("%" in raw or "\\" in raw or "&" in raw) and _HAS_ESCAPE.search(raw) is not None
    if not escapes and _ALL_PLAIN.fullmatch(raw):
        return Normal(raw, len(raw), (), firm)
    text = raw.translate(_FORMS)
    if not escapes and _ODD not in text:
        return Normal(text, len(raw), (), firm)
    return _Slow(raw, text, firm).normal()


class _Slow:
    """A text of which some characters become none or several, or one together with others. `text`: all others are what they become."""

    def __init__(self, raw: str, text: str, firm: int) -> None:
        self.raw = raw
        self.text = text
        self.firm = firm
        self.half = firm  # of an escape, whose character may belong to the jamo before it
        self.unseen = 0  # characters since the last that is seen
        self.out: list[str] = []
        self.edits: list[Edit] = []
        self.size = 0  # of what is made
        self.behind = 0  # what comes out next began there in the raw text, unless something was dropped
        self.last = ""
        self.jamo: list[tuple[str, int, int]] = []

    def normal(self) -> Normal:
        done = 0
        for start, end in self._odd():
            if start > done:
                self._run(done, start)
            if self.raw[start] in "%\\&":
                self._escape(self.raw[start:end], start)
            else:
                self._one(self.raw[start], start, end)
            done = end
        if done < len(self.raw):
            self._run(done, len(self.raw))
        self._flush(at_end=True)
        return Normal("".join(self.out), len(self.raw), self.edits, self.firm)

    def _odd(self) -> Iterator[tuple[int, int]]:
        """Characters and escapes that do not become one character each, by themselves."""
        odd = (found.span() for found in _ODDS.finditer(self.text))
        return merge(odd, (found.span() for found in _HAS_ESCAPE.finditer(self.raw)))

    def _run(self, start: int, end: int) -> None:
        self._flush(at_end=start >= self.half)
        self.unseen = 0
        self.last = self.text[end - 1]
        self._put(self.text[start:end], start, end, edited=False)

    def _put(self, text: str, start: int, end: int, edited: bool = True) -> None:
        if start > self.behind:
            self.edits.append((self.size, self.size, self.behind, start))
        if edited:
            self.edits.append((self.size, self.size + len(text), start, end))
        self.out.append(text)
        self.size += len(text)
        self.behind = end

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
        if is_jamo(character) and not (character in _DASHES_BEHIND_DIGITS and self._behind_digit()):
            self.jamo.append((character, start, end))
            self.unseen = 0
            return
        form = "-" if character in _DASHES_BEHIND_DIGITS and self._behind_digit() else _one_form(character)
        if form:
            self.unseen = 0
        else:
            self.unseen += end - start
            if self.unseen <= MOST_UNSEEN:
                return
            form, self.unseen = "\ufffd", 0
        self._flush()
        self.last = form[-1]
        self._put(form, start, end)

    def _behind_digit(self) -> bool:
        return not self.jamo and "0" <= self.last <= "9"

    def _flush(self, at_end: bool = False) -> None:
        """The jamo that have gathered, as syllables."""
        if not self.jamo:
            return
        syllables = compose(self.jamo)
        if at_end:
            self.firm = min(self.firm, syllables[-1][1])
        for syllable, start, end in syllables:
            self._put(syllable, start, end)
        self.last = syllables[-1][0]
        self.jamo = []
