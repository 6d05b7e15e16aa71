"""Rules against Python's `re`, and what may still match against every continuation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ConfigError
from server.guards.linear import Rule, Rules

LETTERS = "ab1 가"
ATOMS = ["a", "b", "1", " ", "가", "[ab]", "[^a]", r"\d", r"\w", r"\W", ".", "[가-힣]", r"[^\W\d]"]
BEFORE = ["", "", r"(?<!\d)", r"(?<=b)", r"(?<!a)", "^", r"(?<![가-힣])"]
BEHIND = ["", "", r"(?!\d)", r"(?=b)", r"(?!a)", r"(?![가-힣])"]


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counted = st.tuples(inner, st.sampled_from(["?", "*", "+", "{1,2}", "{2}", "+?", "*?"])).map(lambda each: f"(?:{each[0]}){each[1]}")
    either = st.tuples(inner, inner).map(lambda each: f"(?:{each[0]}|{each[1]})")
    return st.one_of(counted, either, st.tuples(inner, inner).map("".join))


bodies = st.recursive(st.sampled_from(ATOMS), pieces, max_leaves=5)
patterns = st.tuples(st.sampled_from(BEFORE), bodies, st.sampled_from(BEHIND)).map("".join)
texts = st.text(LETTERS, max_size=12)


def made(pattern: str, longest: int = 6) -> Rules | None:
    try:
        return Rules([Rule(pattern, "x")], longest)
    except ConfigError:
        return None


def by_python(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    at, compiled = 0, re.compile(pattern)
    while (found := compiled.search(text, at)) is not None:
        yield found.span()
        at = found.end()


@settings(max_examples=1500, deadline=None)
@given(patterns, texts)
def test_matches_are_those_of_pythons_re(pattern: str, text: str) -> None:
    rules = made(pattern, longest=50)
    if rules is not None:
        assert [(hit.start, hit.end) for hit in rules.find(text)] == list(by_python(pattern, text))


@settings(max_examples=400, deadline=None)
@given(st.lists(patterns, min_size=1, max_size=3), texts, st.sampled_from([2, 3, 6]))
def test_what_is_before_alive_stands_whatever_follows(several: list[str], text: str, longest: int) -> None:
    try:
        rules = Rules([Rule(pattern, str(number)) for number, pattern in enumerate(several)], longest)
    except ConfigError:
        return
    hits = list(rules.find(text))
    alive = rules.alive(text)
    for more in product(LETTERS, repeat=2):
        longer = list(rules.find(text + "".join(more)))
        assert [hit for hit in longer if hit.start < alive] == [hit for hit in hits if hit.start < alive]


@settings(max_examples=300, deadline=None)
@given(patterns, texts, st.integers(0, 12))
def test_a_search_from_the_middle_sees_the_character_before(pattern: str, text: str, start: int) -> None:
    rules = made(pattern)
    if rules is not None:
        singly = [next(iter(rules.find(text, at)), None) for at in range(len(text))]
        first = next((hit for at, hit in enumerate(singly) if at >= start and hit is not None and hit.start == at), None)
        assert next(iter(rules.find(text, start)), None) == first


@settings(max_examples=300, deadline=None)
@given(st.lists(patterns, min_size=1, max_size=4), texts, st.integers(0, 12))
def test_rules_together_are_alive_where_the_first_of_them_is(several: list[str], text: str, start: int) -> None:
    singly = [rules for pattern in several if (rules := made(pattern)) is not None]
    together = Rules([rules.rules[0] for rules in singly], 6)
    assert together.alive(text, start) == min([rules.alive(text, start) for rules in singly], default=len(text))


def test_nothing_is_alive_in_clean_text() -> None:
    rules = Rules([Rule(r"(?<!\d)01\d-\d{4}-\d{4}(?!\d)", "phone")])
    assert rules.alive("요금은 12,000원입니다. ") == len("요금은 12,000원입니다. ")


def test_only_the_beginning_of_a_match_is_alive() -> None:
    rules = Rules([Rule(r"(?<!\d)01\d-\d{4}-\d{4}(?!\d)", "phone")])
    assert rules.alive("전화 010-12") == 3
    assert rules.alive("전화 010-12a") == 10


def test_a_whole_match_is_alive_while_its_look_ahead_is_open() -> None:
    rules = Rules([Rule(r"\d{4}(?!\d)", "four")])
    assert rules.alive("a1234") == 1
    assert rules.alive("a1234 ") == 6


def test_at_one_place_the_first_rule_of_the_list_wins() -> None:
    rules = Rules([Rule("ab", "short"), Rule("abc", "long")])
    assert [(hit.end, hit.name) for hit in rules.find("abc")] == [(2, "short")]


def test_a_refused_match_gives_way_to_the_next_rule_and_the_next_place() -> None:
    rules = Rules([Rule("aa", "pair"), Rule("a", "one")])
    found = rules.find("aaa", accept=lambda hit, text: hit.name == "one" and hit.start > 0)
    assert [(hit.start, hit.name) for hit in found] == [(1, "one"), (2, "one")]


def test_a_match_takes_no_more_than_the_longest_that_is_allowed() -> None:
    assert [(hit.start, hit.end) for hit in Rules([Rule("[A-Z]{5,}", "x")], 10).find("A" * 25)] == [(0, 10), (10, 20), (20, 25)]


def test_a_match_that_can_only_be_longer_than_allowed_is_none() -> None:
    assert list(Rules([Rule("a.*b", "x")], 10).find("a" + "." * 20 + "b")) == []


@pytest.mark.parametrize("size", [4094, 4095, 4096, 4097, 8192])
def test_matches_in_a_large_text_are_found_wherever_it_is_cut_for_the_search(size: int) -> None:
    rules = Rules([Rule(r"(?<!\d)\d{3}(?!\d)", "x"), Rule("가나$", "y")], 20)
    text = "가" * size + "123 가나"
    assert [(hit.start, hit.name) for hit in rules.find(text)] == [(size, "x"), (size + 4, "y")]


def test_conditions_heed_ignore_case() -> None:
    rules = Rules([Rule("(?<![a-z])key(?![a-z])", "x", ignore_case=True)])
    assert [hit.start for hit in rules.find("KEY MKEY KEYS key")] == [0, 14]


def test_a_boundary_stands_between_latin_and_hangul() -> None:
    assert [hit.start for hit in Rules([Rule(r"\bkey\b", "x")]).find("key를 monkey")] == [0]


@pytest.mark.parametrize("written", ["℃", "a%20b", "…", "Ⅷ", "１２", "ㄱㅏ"])
def test_what_a_pattern_spells_is_normalised_as_texts_are(written: str) -> None:
    from server.guards.normal import normalise

    text = normalise(f"x{written}y").text
    assert [(hit.start, hit.end) for hit in Rules([Rule(written, "x")]).find(text)] == [(1, len(text) - 1)]


@pytest.mark.parametrize("pattern", [r"(a)\1", "x(?=ab)", "(?<=ab)x", "a(?=b)c", "(?>a)b", "a++b", "(?P<n>a)?(?(n)b|c)", "(?:a(?!b)|c)d"])
def test_what_is_not_read_in_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="not read in linear time"):
        Rules([Rule(pattern, "x")])


@pytest.mark.parametrize("pattern", ["[", "*a", "(", "a{2,1}"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="no regular expression"):
        Rules([Rule(pattern, "x")])


@pytest.mark.parametrize("pattern", ["a*", "", "a|", "^", r"\b", "(?!a)", "\u200b", "\u200bx?|ab", "(?<!a)b?"])
def test_what_matches_nothing_at_all_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        Rules([Rule(pattern, "x")])


@pytest.mark.parametrize(
    "pattern", ["(?:a{1,1000}){1,1000}", "(?:(?:[가-힣]{1,30}){1,30}x){1,30}", "a{1001}", "(?:" * 2000 + "a" + ")" * 2000]
)
def test_what_would_explode_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        Rules([Rule(pattern, "x")])


def test_a_long_pattern_is_not_too_deep() -> None:
    assert [hit.end for hit in Rules([Rule("ab" * 2000, "x")], 5000).find("ab" * 2000)] == [4000]


def test_reach_is_the_longest_match_with_one_character_of_look_ahead() -> None:
    assert Rules([Rule(r"\d{3}", "x")], 100).reach == 4
    assert Rules([Rule(r"\d+", "x")], 100).reach == 101
