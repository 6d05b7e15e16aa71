"""Numbers, however they are separated: digits with up to three other characters between two of them make a run.

A run is looked at through windows: some of its groups, one after another. What a window is, its recogniser says by the
digits, by how they are grouped and by the words around. So `010-1234-5678`, `０１０．１２３４．５６７８`, `0 1 0 1 2 3 4 5 6 7 8`
and `공일공 다시 일이삼사 다시 오육칠팔` are one thing, and a barcode is another.

Linear: a run is cut by one deterministic expression, and a window has at most MOST digits and LONGEST characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property

from server.guards.finders import Before, Hit
from server.guards.kinds.pii.context import AFTER
from server.guards.sieve import Sieve

LEAST, MOST = 8, 19  # digits of a window
LONGEST = 64  # characters of a window
FEW = 5  # groups that may have neighbours of the same kind
MARGIN = 24  # characters before the first that counts

_SPOKEN = "다시|에|의|대시|하이픈|dash"  # what is said for a hyphen
_BETWEEN = r"(?:[^\w]|[_ㅡᅳㆍᆞ])"
_RUN = re.compile(rf"[0-9](?:(?:{_BETWEEN}{{1,5}}| ?(?:{_SPOKEN}) ?)?[0-9])*")
_OPEN_END = re.compile(
    rf"{_BETWEEN}{{0,5}}| ?(?:" + "|".join(word[: size + 1] for word in _SPOKEN.split("|") for size in range(len(word))) + ") ?"
)
_LEAD = re.compile(r"(?:\+[( ]{0,3}|\({1,2})$")  # what a number may have before its first digit
# Letters written for digits: O1O-1234-5678. A token of them counts if a true digit is among them, or if it is a written-out 010.
_LEET = str.maketrans("OoQIl|SBZ", "000111582")
_HAS_LEET = re.compile(r"[0-9][OoQIl|SBZ]|[OoQIl|SBZ][0-9]|[Oo][Il1|][Oo0Il16-9]|[Oo0][Il|][Oo]|[0-9][-. ][OoIl]{2}")
_LEET_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:[OoQIl|SBZ]{0,8}[0-9][0-9OoQIl|SBZ]{0,23}|[Oo0][Il1|][Oo0Il16-9](?=[^\w]{0,3}[0-9])"
    r"|(?<=[0-9][-. ])[OoIl]{2,4}(?=[-. ][0-9]))(?![A-Za-z0-9])"
)
_LEET_TAIL = re.compile(r"(?<![A-Za-z0-9])[OoIl0-9QSBZ|]{1,24}[-. ]?\Z")  # may yet be read as digits
_LEET_OPEN = re.compile(r"(?<![A-Za-z0-9])[0-9OoQIl|SBZ]{1,24}$")

# Digits in words among figures: 오삼0사26-2728811. numerals.py reads what can be nothing else; here the whole must be a known number.
_DIGITS = str.maketrans("공영령일이삼사오육륙칠팔구〇零一二三四五六七八九", "00012345667890" + "0123456789")
_ANY_DIGIT = f"[0-9{''.join(map(chr, _DIGITS))}]"
_HAS_MIXED = re.compile(rf"[0-9]{_BETWEEN}{{0,3}}(?![0-9]){_ANY_DIGIT}|(?![0-9]){_ANY_DIGIT}{_BETWEEN}{{0,3}}[0-9]")
_MIXED = re.compile(rf"(?<![가-힣A-Za-z0-9]){_ANY_DIGIT}(?:{_BETWEEN}{{0,3}}{_ANY_DIGIT}){{7,}}")
_MIXED_OPEN = re.compile(rf"(?<![가-힣A-Za-z0-9]){_ANY_DIGIT}(?:{_BETWEEN}{{0,3}}{_ANY_DIGIT})*{_BETWEEN}{{0,3}}$")
# What every window has in it: so many of what may be read as figures, as near to one another. For RE2 \w is ASCII's letters only.
_FIGURE = f"[0-9{''.join(map(chr, _LEET))}{''.join(map(chr, _DIGITS))}]"
_ANY_WINDOW = Sieve(rf"{_FIGURE}(?:(?:[^0-9A-Za-z가-힣]{{1,5}}| ?(?:{_SPOKEN}) ?)?{_FIGURE}){{{LEAST - 1}}}")
_FIGURES = re.compile("[0-9]")
_ENDS_OPEN = re.compile(rf"[0-9{''.join(map(chr, _LEET))}].?\Z|[+({''.join(map(chr, _DIGITS))}].{{0,4}}\Z", re.DOTALL)
_PARTICLE = re.compile(r"[0-9](?=[가-힣])")  # 구구공공이요: the last was no digit


class Window:
    """Groups of a run. `shape`: how many digits each has. `kinds`: what stands between them, without spaces."""

    def __init__(self, run: Run, first: int, last: int) -> None:
        self.run, self.first, self.last = run, first, last  # groups [first, last)
        groups = run.groups[first:last]
        self.start, self.end = groups[0][0], groups[-1][1]
        self.shape = tuple(end - start for start, end in groups)
        self.digits = "".join(run.text[start:end] for start, end in groups)
        self.is_spread = len(self.shape) > 4 and max(self.shape) == 1  # every digit alone
        kinds = run.kinds[first + 1 : last]
        if self.is_spread and len(set(kinds)) > 1:  # 0 1 0 - 1 2 3 4: what is rarer separates
            common = max(set(kinds), key=kinds.count)
            sizes = [1]
            for kind in kinds:
                if kind == common:
                    sizes[-1] += 1
                else:
                    sizes.append(1)
            self.shape = tuple(sizes)
            kinds = [kind for kind in kinds if kind != common]
        self.kinds = frozenset(kinds)

    @cached_property
    def is_alone(self) -> bool:
        """Neither side goes on with a group that is joined as those inside are."""
        run = self.run
        left = self.first == 0 or run.kind(self.first) not in self.kinds
        return left and (self.last == len(run.groups) or run.kind(self.last) not in self.kinds)

    @property
    def is_whole_run(self) -> bool:
        return self.first == 0 and self.last == len(self.run.groups)

    @cached_property
    def is_cut_out(self) -> bool:
        """Part of a longer thing with one joint: `1.010.1234.5678`, `2024-01012345678`, `a01012345678f`."""
        run = self.run
        for group in (self.first, self.last):
            if 0 < group < len(run.groups):
                joint = run.joint(group)
                if joint in (("-", ".", ":", "_") if len(self.shape) == 1 else tuple(self.kinds - {" ", "\n"})):
                    return True
        if len(self.shape) > 1:
            return self._letter(self.start - 1) and run.text[self.start - 1] not in "TtLlPpXxMmHhEe"
        return self._letter(self.start - 1) or self._letter(self.end)

    @cached_property
    def is_coded(self) -> bool:
        """Hangs on letters by a hyphen, as product codes do: `XR-010-1234-5678`."""
        text, start = self.run.text, self.start
        if start < 2 or text[start - 1] not in "-_/." or not self._letter(start - 2):
            return False
        return re.search(r"(?i)(?<![a-z])(?:tel|hp|phone|mobile|fax|cell|call|no|[tmhpcf])[-_/.]$", self.before) is None

    @cached_property
    def has_leet(self) -> int:
        """How many of the digits are letters: O1O."""
        raw = self.run.raw
        return sum(
            raw[at] > "9" and raw[at].isascii() for start, end in self.run.groups[self.first : self.last] for at in range(start, end)
        )

    @cached_property
    def before(self) -> str:
        return self.run.before(self.start)

    @cached_property
    def lower(self) -> str:
        return self.before.lower()

    @cached_property
    def after(self) -> str:
        return self.run.raw[self.end : self.end + AFTER]

    @property
    def plus(self) -> bool:
        """Whether an international number begins here: `+82`, `(+82`, `+ 8 2`; 3 + 82 is none."""
        lead = _LEAD.search(self.before)
        if lead is None or "+" not in lead[0]:
            return False
        left = self.before[: lead.start()]
        return not left[-1:].isalnum() and not (" " in lead[0] and left.rstrip()[-1:].isdigit())

    @property
    def year_like(self) -> bool:
        return self.shape[0] == 4 and self.digits[:2] in ("19", "20")

    def _letter(self, at: int) -> bool:
        """Whether an ASCII letter stands there that is no escape: \\n in JSON."""
        raw = self.run.raw
        if not 0 <= at < len(raw) or not (raw[at].isascii() and raw[at].isalpha()):
            return False
        return not (at > 0 and raw[at - 1] == "\\")


class Run:
    """`text` with letters that stand for digits replaced, `raw` without; `groups` are [start, end) in both."""

    def __init__(self, text: str, raw: str, start: int, end: int, before: Before) -> None:
        self.text, self.raw = text, raw
        self.start, self.end = start, end
        self.before = before
        self.groups = [found.span() for found in re.finditer("[0-9]+", text[start:end])]
        self.groups = [(start + a, start + b) for a, b in self.groups]

    @cached_property
    def kinds(self) -> list[str]:
        """What stands before each group; before the first, nothing."""
        return ["", *(self.kind(group) for group in range(1, len(self.groups)))]

    def joint(self, group: int) -> str:
        """What stands before a group."""
        return self.text[self.groups[group - 1][1] : self.groups[group][0]]

    def kind(self, group: int) -> str:
        joint = self.joint(group)
        return joint.strip()[:1] or ("\n" if "\n" in joint else " ")

    def windows(self, first: int) -> Iterator[Window]:
        """Those that begin with a group, the longest last. One of more than FEW groups must stand apart from its neighbours."""
        groups, kinds, digits = self.groups, self.kinds, 0
        start, count = groups[first][0], len(groups)
        for last in range(first, count):
            begin, end = groups[last]
            digits += end - begin
            if digits > MOST or end - start > LONGEST:
                return
            if last - first >= FEW:
                if first > 0 and kinds[first] in kinds[first + 1 : last + 1]:
                    return  # nor does any longer one
                if last + 1 < count and kinds[last + 1] in kinds[first + 1 : last + 1]:
                    continue
            if digits >= LEAST:
                yield Window(self, first, last + 1)


Recogniser = Callable[[Window], Hit | None]


class Numbers:
    """Finds what the recognisers know, from left to right; at one place the best score, then the longest."""

    reach = LONGEST + AFTER

    def __init__(self, recognisers: Sequence[tuple[Recogniser, Collection[int]]]) -> None:
        """Each with the numbers of digits that it knows."""
        self.by_size = {size: [known for known, sizes in recognisers if size in sizes] for size in range(LEAST, MOST + 1)}

    def find(self, text: str, start: int, before: Before, words: str) -> list[Hit]:
        """Hits from `start` on. Runs are read from a little before, so that what joins a number to the one before it is known."""
        found: list[Hit] = []
        if _FIGURES.search(text) is None or not _ANY_WINDOW(text, max(start - MARGIN, 0)):
            return found
        for read in _readings(text, words):
            for hit in self._find(read, text, start, before):
                over = [other for other in found if hit.start < other.end and other.start < hit.end]
                if all(hit.end - hit.start > other.end - other.start for other in over):
                    found = [other for other in found if other not in over] + [hit]
        return found

    def _find(self, read: str, text: str, start: int, before: Before) -> list[Hit]:
        found: list[Hit] = []
        done = start
        for match in _RUN.finditer(read, max(start - MARGIN, 0)):
            if match.end() - match.start() < LEAST or match.end() <= done:
                continue
            run = Run(read, text, match.start(), match.end(), before)
            group = 0
            while group < len(run.groups):
                best = self._best(run, group) if run.groups[group][0] >= done else None
                if best is None:
                    group += 1
                    continue
                hit, group = best
                if text[hit.end : hit.end + 1] == ")" and text.count("(", hit.start, hit.end) > text.count(")", hit.start, hit.end):
                    hit = Hit(hit.start, hit.end + 1, hit.category, hit.score)  # 900101(1234567)
                found.append(hit)
                done = hit.end
        return found

    def _best(self, run: Run, first: int) -> tuple[Hit, int] | None:
        best: tuple[float, int, Hit, int] | None = None
        for window in run.windows(first):
            for recogniser in self.by_size[len(window.digits)]:
                hit = recogniser(window)
                if hit is not None and (best is None or (hit.score, window.last) > best[:2]):
                    best = (hit.score, window.last, hit, window.last)
        return best[2:] if best is not None else None

    def alive(self, text: str, start: int, words: str) -> int:
        """The first character from which on a number may still begin, grow, or be told from another by what follows."""
        size = len(text)
        alive = size
        if _ENDS_OPEN.search(text, max(size - 5, 0)) is None and _FIGURES.search(text) is None:
            return size
        for pattern, far in ((_LEAD, 4), (_LEET_OPEN, 26), (_MIXED_OPEN, LONGEST)):
            tail = pattern.search(text, max(size - far, start))
            if tail is not None:
                alive = min(alive, tail.start())
        for read in _readings(_LEET_TAIL.sub(lambda found: found[0].translate(_LEET), text), words):
            alive = min(alive, _open(read, start))
        lead = _LEAD.search(text, max(alive - 4, start), alive)
        return lead.start() if lead is not None else alive


def _open(read: str, start: int) -> int:
    size, floor = len(read), max(start - MARGIN, 0)
    lowest = max(start, size - LONGEST - AFTER)
    alive = size
    for match in _RUN.finditer(read, floor):
        rest = size - match.end()
        if rest > AFTER or match.end() <= start:
            continue
        goes_on = rest <= 8 and _OPEN_END.fullmatch(read, match.end()) is not None
        if goes_on or (match.end() - match.start() >= LEAST and _undecided(match)):
            begin = match.start()
            if begin < lowest:
                inside = _FIRST.search(read, lowest, match.end())
                begin = inside.start() if inside is not None else match.end()
            alive = min(alive, max(begin, start))
    return alive


_FIRST = re.compile(r"(?<![0-9])[0-9]")


def _undecided(match: re.Match[str]) -> bool:
    """Whether what follows a whole run may make an account of it: enough digits for one."""
    return sum(character.isdigit() for character in match[0]) >= 9


def _in_figures(found: re.Match[str]) -> str:
    """The last may be a particle: 010-1234-5678이에요."""
    text = found[0]
    ends = text[-1] in "이일" and "가" <= found.string[found.end() : found.end() + 1] <= "힣"
    return text[:-1].translate(_DIGITS) + text[-1] if ends else text.translate(_DIGITS)


def _readings(text: str, words: str) -> list[str]:
    """The text with its numbers in figures, in each way that they may be meant; one character stays one."""
    read = text
    if _HAS_LEET.search(text) is not None:
        read = _LEET_TOKEN.sub(lambda found: found[0].translate(_LEET), text)
    readings = [read]
    if words is not text:
        ended = _PARTICLE.sub(lambda found: words[found.start()] if words[found.start()] in "이일" else found[0], read)
        if ended != read:
            readings.append(ended)
    if _HAS_MIXED.search(text) is not None:
        mixed = _MIXED.sub(_in_figures, text)
        if mixed != text:
            readings.append(mixed)
    return readings


def trimmed(hit: Hit, window: Window) -> Hit:
    """With the bracket or plus before it: `(02)`, `+82`, `(+82)`."""
    start, raw = hit.start, window.run.raw
    opened = ")" in raw[window.start : window.end]
    if window.plus:
        start = raw.rindex("+", 0, start)
    while start > 0 and raw[start - 1] == "(" and opened:
        start -= 1
    return Hit(start, hit.end, hit.category, hit.score)
