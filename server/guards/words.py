"""Words and phrases of a list in a text, with the interface of Rules: any number of them at the cost of a few.

A word is found where it stands alone: before it no letter or figure, and behind it none of its script, or a Korean particle
(비밀번호는, 비밀번호에서). Where a phrase has a space there may be up to three, and between Hangul none. A word is also found
with one and the same sign between all its letters (비 밀 번 호, b.o.m.b), and a Korean one in its initials (ㅂㅁㅂㅎ).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from server.guards.linear import Accept, Hit

_PARTICLES = """
은 는 이 가 을 를 에 의 도 만 과 와 로 으로 랑 이랑 나 이나 야 이야 아 요 이요 여 이여 에서 에서는 에서도 에는 에도 에만 에게 에게서
에게는 한테 한테서 께 께서 부터 까지 까지는 마저 조차 처럼 보다 보다는 밖에 으로는 으로도 으로서 로는 로도 로서 로써 라고 이라고
라는 이라는 라도 이라도 든지 이든지 입니다 입니까 이다 이에요 예요 인데 이며 며 이고 고 이면 면 이란 란 하고
들 들은 들이 들을 들의 들도 들에게 님 님은 님이 님을 님께
"""
PARTICLES = frozenset(_PARTICLES.split())
_BEGUN = frozenset(particle[:size] for particle in PARTICLES for size in range(len(particle)))
_LONGEST_PARTICLE = max(map(len, PARTICLES))
STEP = 4096  # characters looked at at once
_LETTER = "가-힣0-9A-Za-z"
_SPACES = " \t\n"
_MOST_SPACES = 3
_BETWEEN = frozenset(" .,-_*/|~+'")
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_FEWEST_INITIALS = 3  # syllables of a word that is found in its initials, or taken apart
_FEWEST_LETTERS = 4  # of a Latin one

Node = dict[str, Any]  # letter -> Node; _END -> the number of its letters: a word ends here
_END = ""


class Words:
    """`words`: normalised. Those above `longest` characters are no words."""

    def __init__(self, words: Collection[str], name: str, ignore_case: bool, longest: int) -> None:
        self.name = name
        self.ignore_case = ignore_case
        self.longest = longest
        self.root: Node = {}
        most = 0
        for word in words:
            word = " ".join(_lower(word).split() if ignore_case else word.split())
            for form in (word, initials(word)):
                if form:
                    self._add(form)
                    most = max(most, len(form) * 2 + form.count(" ") * _MOST_SPACES)
        # the letter before is looked at behind the first one: `re` finds a class by itself three times as fast
        self._first = re.compile(f"[{''.join(map(re.escape, self.root))}](?<![{_LETTER}].)", re.DOTALL) if self.root else None
        self.reach = min(most, longest) + _LONGEST_PARTICLE + 1

    def _add(self, word: str) -> None:
        node = self.root
        for letter in word:
            node = node.setdefault(letter, {})
        node[_END] = 0 if " " in word else len(word)

    def find(self, text: str, start: int = 0, accept: Accept | None = None) -> Iterator[Hit]:
        """As of Rules: in order, none over another; at one place the longest word."""
        if self._first is None:
            return
        at = start
        for stop in range(start + STEP, len(text) + STEP, STEP):
            low = max(0, stop - STEP - 1)
            part = text[low : stop + self.reach]
            if self.ignore_case:
                part = _lower(part)
            for candidate in self._first.finditer(part, stop - STEP - low, min(stop - low, len(part))):
                first = low + candidate.start()
                for end in sorted(self._ends(part, candidate.start())[0], reverse=True) if first >= at else ():
                    hit = Hit(first, low + end, self.name)
                    if hit.end - first <= self.longest and (accept is None or accept(hit, text)):
                        yield hit
                        at = hit.end
                        break

    def alive(self, text: str, start: int = 0) -> int:
        """As of Rules: the first character at which a word may still begin, or be another one, with more text."""
        if self._first is None:
            return len(text)
        low = max(0, start - 1, len(text) - self.reach - 1)
        part = _lower(text[low:]) if self.ignore_case else text[low:]
        for candidate in self._first.finditer(part, max(start, len(text) - self.reach) - low):
            if self._ends(part, candidate.start())[1]:
                return low + candidate.start()
        return len(text)

    def _ends(self, text: str, start: int) -> tuple[set[int], bool]:
        """Where a word that begins at `start` may end, and whether more text could change that."""
        ends: set[int] = set()
        is_open = False
        if start and _is_jamo(text[start]) and _is_jamo(text[start - 1]):  # ㅋㅋㅋ and the like are no initials
            return ends, False
        size = len(text)
        ways: list[tuple[Node, int, str]] = [(self.root[text[start]], start + 1, "")]  # how far, and the sign between the letters
        while ways:
            node, at, sign = ways.pop()
            letters = node.get(_END)
            if letters is not None and (not sign or letters >= (_FEWEST_INITIALS if "가" <= text[at - 1] <= "힣" else _FEWEST_LETTERS)):
                alone, undecided = _alone(text, at)
                is_open |= undecided
                if alone:
                    ends.add(at)
            if at == size:
                is_open |= len(node) > (letters is not None)
                continue
            letter = text[at]
            if not sign:
                if letter not in _SPACES and letter in node:
                    ways.append((node[letter], at + 1, ""))
                if " " in node:
                    ways += [(node[" "], behind, "") for behind in _behind_spaces(text, at)]
            if letter in _BETWEEN and (sign == letter or (not sign and at == start + 1)):
                if at + 1 == size:
                    is_open = True
                elif text[at + 1] in node and text[at + 1] != " ":
                    ways.append((node[text[at + 1]], at + 2, letter))
        return ends, is_open


class Matcher(Protocol):
    reach: int

    def find(self, text: str, start: int = 0, accept: Accept | None = None) -> Iterator[Hit]: ...

    def alive(self, text: str, start: int = 0) -> int: ...


class Several:
    """Matchers as one: the leftmost match, and at one place that of the first of them."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.matchers = matchers
        self.reach = max((matcher.reach for matcher in matchers), default=0)

    def find(self, text: str, start: int = 0, accept: Accept | None = None) -> Iterator[Hit]:
        ways = [matcher.find(text, start, accept) for matcher in self.matchers]
        ahead = [next(way, None) for way in ways]
        while (hit := min((hit for hit in ahead if hit is not None), key=lambda hit: hit.start, default=None)) is not None:
            yield hit
            for place, other in enumerate(ahead):
                if other is hit:
                    ahead[place] = next(ways[place], None)
                elif other is not None and (other.start < hit.end or (accept is not None and not accept(other, text))):
                    ways[place] = self.matchers[place].find(text, hit.end, accept)
                    ahead[place] = next(ways[place], None)

    def alive(self, text: str, start: int = 0) -> int:
        return min((matcher.alive(text, start) for matcher in self.matchers), default=len(text))


def initials(word: str) -> str:
    """ㅂㅁㅂㅎ of 비밀번호; "" of a word that is short, not all Hangul, or has one initial only."""
    if len(word) < _FEWEST_INITIALS or not all("가" <= letter <= "힣" for letter in word):
        return ""
    found = "".join(_INITIALS[(ord(letter) - 0xAC00) // 588] for letter in word)
    return found if len(set(found)) > 1 else ""


def _alone(text: str, end: int) -> tuple[bool, bool]:
    """Whether what ends at `end` stands alone, and whether more text could change that."""
    size, last = len(text), text[end - 1]
    if not "ㄱ" <= last <= "힣":
        return end == size or not (text[end] == "_" or (text[end].isascii() and text[end].isalnum())), end == size
    at = end
    while at < size and "가" <= text[at] <= "힣" and at - end <= _LONGEST_PARTICLE:
        at += 1
    behind = text[end:at]
    if at < size and _is_jamo(last) and _is_jamo(text[at]):
        return False, False
    return not behind or behind in PARTICLES, at == size and (not behind or behind in PARTICLES or behind in _BEGUN)


def _behind_spaces(text: str, at: int) -> list[int]:
    """Where a phrase may go on behind its space, which is wanted at `at`."""
    found = []
    if "가" <= text[at - 1] <= "힣" and "가" <= text[at] <= "힣":
        found.append(at)
    for behind in range(at, min(at + _MOST_SPACES, len(text))):
        if text[behind] not in _SPACES:
            break
        found.append(behind + 1)
    return found


def _is_jamo(letter: str) -> bool:
    return "ㄱ" <= letter <= "ㅣ"


def _lower(text: str) -> str:
    """Every character by itself, in its place: what Σ becomes in `lower` depends on its neighbours."""
    low = text.lower()
    if len(low) == len(text) and "Σ" not in text:
        return low
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
