"""Looks into base64, base32, hexadecimal and binary runs, and those that are URL-encoded twice (once is a disguise that the view
takes off): what is found inside makes the run a finding.

The whole run is cut out, since nobody can say which of its characters held the value. A run longer than `longest` is left
alone: on answers that bounds the hold-back.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from server.guards.base import Detector, Finding, Side
from server.guards.finders import merge, standing
from server.guards.sieve import Sieve
from server.guards.view import View

LONGEST: dict[Side, int] = {"input": 65_536, "output": 4096}  # characters of a run
DEPTH = 2  # base64 of base64 is looked into, and no deeper
LEAST = 12  # characters: nothing worth finding is shorter when it is encoded

_ALPHABET = "A-Za-z0-9+/_-"
_BASE64 = re.compile(rf"(?<![{_ALPHABET}])[{_ALPHABET}]{{{LEAST},}}={{0,2}}")
_LINE = range(40, 101)  # characters of a line of base64 that goes on in the next
_PAIR = r"(?:0[xX]|\\x)?[0-9A-Fa-f]{2}"
_NO_PAIR = r"(?<![0-9A-Za-z])(?<![^0-9A-Za-z][0-9A-Fa-f]{2}[ :,])(?<![^0-9A-Za-z][0-9A-Fa-f]{2}[ :,]{2})"  # a run has one start
_HEX = re.compile(rf"{_NO_PAIR}{_PAIR}(?:[ :,]{{0,2}}{_PAIR}){{7,}}(?![0-9A-Za-z])")
_BINARY = re.compile(r"(?<![0-9A-Za-z])(?<![01]{8} )[01]{8}(?: ?[01]{8}){7,}(?![0-9A-Za-z])")
_TWICE = re.compile(r"(?<![A-Za-z0-9._~+%-])[A-Za-z0-9._~+-]*%25[0-9A-Fa-f]{2}(?:[A-Za-z0-9._~+-]|%[0-9A-Fa-f]{2})*")  # URL-encoded twice
# What every run has in it. A text without a word of LEAST letters has none, and most of the words that do are words.
_PAIRED = rf"{_PAIR}(?:[ :,]{{0,2}}{_PAIR}){{7}}"  # of bits, too
_ANY_RUN = Sieve(rf"[{_ALPHABET}]{{{LEAST}}}|{_PAIRED}|%25[0-9A-Fa-f]{{2}}")
_OTHER_RUN = Sieve(rf"{_PAIRED}|%25[0-9A-Fa-f]{{2}}")


class Encoded:
    """A Detector around another: finds what it finds, and what it would find inside encoded runs."""

    def __init__(self, inner: Detector, side: Side) -> None:
        self.inner = inner
        self.longest = LONGEST[side]
        self.reach = max(inner.reach, self.longest)
        self.context = inner.context

    def find(self, view: View, start: int = 0) -> list[Finding]:
        found = list(self.inner.find(view, start))
        raw = view.raw
        if len(raw) - start >= LEAST:
            runs = view.known.get((start, self.longest))
            if runs is None:
                runs = view.known[start, self.longest] = list(self._runs(raw, start))
            found += self._look(raw, runs, DEPTH)
        return merge(found)

    def _runs(self, raw: str, start: int) -> Iterator[tuple[int, int]]:
        if not _ANY_RUN(raw, start):
            return
        last: re.Match[str] | None = None
        for run in _BASE64.finditer(raw, start):
            if run.end() - run.start() <= self.longest:
                yield run.start(), run.end()
                if last is not None and raw[last.end() : run.start()] in ("\n", "\r\n"):
                    yield last.start(), run.end()
            last = run if run.end() - run.start() in _LINE else None
        for pattern in (_HEX, _BINARY, _TWICE) if _OTHER_RUN(raw, start) else ():
            for run in pattern.finditer(raw, start):
                if run.end() - run.start() <= self.longest:
                    yield run.start(), run.end()

    def _look(self, raw: str, runs: Iterable[tuple[int, int]], depth: int) -> list[Finding]:
        """Findings inside the runs of a text."""
        found: list[Finding] = []
        for begin, end in runs:
            if not any(each.start <= begin and end <= each.end for each in found):
                found += self._inside(raw, begin, end, depth)
        return found

    def _inside(self, raw: str, begin: int, end: int, depth: int) -> list[Finding]:
        best: Finding | None = None
        for text in decoded(raw[begin:end]):
            for finding in self._in_text(text, depth):
                if best is None or finding.score > best.score:
                    best = finding
        return [Finding(begin, end, best.category, best.score)] if best is not None else []

    def _in_text(self, text: str, depth: int) -> list[Finding]:
        found = self.inner.find(View(text))
        return found or (self._look(text, self._runs(text, 0), depth - 1) if depth > 1 else [])

    def alive(self, view: View, start: int = 0) -> int:
        alive = min(self.inner.alive(view, start), open_run(view.raw, start, self.longest))
        return standing(self.find(view, start), alive)


_OPEN_WORD = re.compile(rf"[~.%\\{_ALPHABET}]+={{0,2}}$")
_OPEN_PAIRS = re.compile(rf"{_NO_PAIR}(?:{_PAIR}[ :,]{{0,2}})+(?:0[xX]?|\\x?)?[0-9A-Fa-f]?$")
_OPEN_BITS = re.compile(r"(?<![0-9A-Za-z])(?<![01]{8} )[01]{8}(?: ?[01]{8})* ?[01]{0,7}$")
_OPEN_LINE = re.compile(rf"(?<![{_ALPHABET}])[{_ALPHABET}]{{{_LINE.start},{_LINE.stop - 1}}}\r?\n?(?:(?<=\n)[{_ALPHABET}]*={{0,2}})?$")
_RUNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-%=~.:, \\\r\n")


def open_run(raw: str, start: int, longest: int) -> int:
    """Where the run begins that the text may go on with; len(raw): none is open."""
    size = len(raw)
    lowest = max(start, size - longest - max(_LINE) - 4)
    at = size
    while at > lowest and raw[at - 1] in _RUNS:
        at -= 1
    found = size
    for pattern in (_OPEN_WORD, _OPEN_PAIRS, _OPEN_BITS, _OPEN_LINE):
        match = pattern.search(raw, at)
        if match is not None and (size - match.start() <= longest or pattern is _OPEN_LINE):
            found = min(found, match.start())
    return found


def decoded(run: str) -> Iterator[str]:
    """The texts that a run may be the encoding of."""
    if "%25" in run:
        yield run.replace("%25", "%")  # the view takes the rest off
        return
    bits = run.replace(" ", "")
    if len(bits) % 8 == 0 and not bits.strip("01"):
        yield from _text(bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)))
        return
    pairs = re.sub(r"0[xX]|\\x|[ :,]", "", run)
    if len(pairs) % 2 == 0 and re.fullmatch("[0-9A-Fa-f]+", pairs) is not None:
        yield from _text(bytes.fromhex(pairs))
    line = re.sub(r"\s", "", run).rstrip("=")
    if re.fullmatch(f"[{_ALPHABET}]+", line) is None:
        return
    plain = line.translate(_TO_PLAIN)
    for offset in range(4):  # a few characters before it may be no part of it
        part = plain[offset:]
        if len(part) < LEAST:
            return
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            data = base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        found = list(_text(data))
        if found:
            yield from found
            return
    if re.fullmatch("[A-Z2-7]+", line) is not None:
        try:
            yield from _text(base64.b32decode(line + "=" * (-len(line) % 8)))
        except (binascii.Error, ValueError):
            return


_TO_PLAIN = str.maketrans("-_", "+/")


def _text(data: bytes) -> Iterator[str]:
    """Bytes as text, if they are one: UTF-8, or UTF-16 as Windows encodes commands."""
    wide = len(data) >= 16 and len(data) % 2 == 0 and data[1::2].count(0) * 3 >= len(data)
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return
    if sum(not (character.isprintable() or character in "\r\n\t") for character in text) * 20 <= len(text):
        yield text
