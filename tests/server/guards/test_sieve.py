"""Short cuts over texts in which nothing can be: what the long way finds, no short cut hides."""

from __future__ import annotations

import base64
import random

import pytest

from server.guards import numerals
from server.guards.kinds import encoded
from server.guards.kinds.pii import runs
from server.guards.kinds.pii.runs import Numbers
from server.guards.normal import normalise
from server.guards.sieve import Sieve
from tests.server.guards.pii_texts import lines

NUMBERS = Numbers([])
LETTERS = "0123456789일이삼사오육칠팔구공영oOIlQ|SBZab가나에의다 .,-_/+()\n%25\\xfF:="
FAR = "7" + "나" * 40 + "!"  # a figure that is too far before to matter, and turns the short cut off


def texts(count: int, seed: int, letters: str = LETTERS, longest: int = 60) -> list[str]:
    rng = random.Random(seed)
    some = ["".join(rng.choices(rng.sample(letters, rng.randint(2, 12)), k=rng.randint(1, longest))) for _ in range(count)]
    known = [line["text"] for line in lines("pii")]
    return some + [known[rng.randrange(len(known))][rng.randrange(20) :][: rng.randint(1, 80)] for _ in range(count)]


def test_it_matches_from_where_it_is_asked_to() -> None:
    sieve = Sieve("[가-힣]{2}")
    assert (sieve("a 가나"), sieve("a 가나", 3), sieve("\ud800 가")) == (True, False, False)


def test_numbers_in_words_are_read_wherever_they_can_be() -> None:
    read = 0
    for text in texts(20_000, 1, "일이삼사오공01a가 .-,"):
        if numerals._read(text) != text:
            read += 1
            assert numerals._READ(text), text
    assert read > 2000


def test_windows_of_numbers_are_looked_for_wherever_one_can_be() -> None:
    windows = 0
    for text in texts(20_000, 2):
        normal, words = normalise(text, digits=True).text, normalise(text).text
        runs_of = [
            runs.Run(read, normal, match.start(), match.end(), lambda at: "")
            for read in runs._readings(normal, words)
            for match in runs._RUN.finditer(read)
        ]
        if any(window for run in runs_of for group in range(len(run.groups)) for window in run.windows(group)):
            windows += 1
            assert runs._ANY_WINDOW(normal), text
    assert windows > 2000


def test_the_end_of_a_text_without_figures_is_open_where_the_long_way_says_so() -> None:
    is_open = 0
    for text in texts(20_000, 3, LETTERS[10:]):
        if any(character in "0123456789" for character in text):
            continue
        alive = NUMBERS.alive(text, 0, text)
        is_open += alive < len(text)
        long = FAR + text
        assert NUMBERS.alive(long, len(FAR), long) == alive + len(FAR), text
    assert is_open > 2000


@pytest.mark.parametrize("start", [0, 7])
def test_encoded_runs_are_looked_for_wherever_one_can_be(start: int) -> None:
    rng = random.Random(4)
    hidden = [base64.b64encode(rng.randbytes(rng.randint(6, 30))).decode() for _ in range(3000)]
    hidden += [rng.randbytes(rng.randint(6, 30)).hex(rng.choice(" :,")) for _ in range(3000)]
    found = [0, 0]
    for text in [*texts(10_000, 5), *hidden, *(text[: len(text) // 2] + " " + text[len(text) // 2 :] for text in hidden)]:
        words = next(encoded._BASE64.finditer(text, start), None) is not None
        others = any(next(pattern.finditer(text, start), None) for pattern in (encoded._HEX, encoded._BINARY, encoded._TWICE))
        found = [found[0] + words, found[1] + others]
        assert encoded._ANY_RUN(text, start) or not (words or others), text
        assert encoded._OTHER_RUN(text, start) or not others, text
    assert min(found) > 500
