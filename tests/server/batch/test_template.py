"""`--prompt` templates."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batch.template import Missing, Template
from server.errors import UsageError


def test_columns_are_put_in_where_they_are_named():
    assert Template("Translate: {text} ({lang}, {text})").fill({"text": "가", "lang": "ko", "more": "x"}) == "Translate: 가 (ko, 가)"


def test_a_columns_name_may_hold_spaces_and_signs():
    assert Template("{ Full name: 1! }").fill({"Full name: 1!": "x"}) == "x"


def test_doubled_braces_are_braces():
    assert Template('{{"a": {x}}} }}{{').fill({"x": "1"}) == '{"a": 1} }{'


def test_what_a_value_holds_is_not_looked_into():
    assert Template("{a}{b}").fill({"a": "{b} {{", "b": "}}"}) == "{b} {{}}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
        ({"a": None}, '{"a":null}'),
        ([date(2026, 1, 2)], '["2026-01-02"]'),
        (date(2026, 1, 2), "2026-01-02"),
        (b"a", "a"),
        (msgspec.Raw(b'"\\uac00"'), "가"),
        (msgspec.Raw(b"1.50"), "1.50"),
        (msgspec.Raw(b'{"a": 1}'), '{"a": 1}'),
    ],
)
def test_values_that_are_no_text_stand_as_json_or_as_python_shows_them(value: object, text: str):
    assert Template("{a}").fill({"a": value}) == text


@pytest.mark.parametrize("text", ["{", "}", "{a} }", "{a", "{}", "{ }", "{{a}", "{a{b}}"])
def test_a_brace_that_names_no_column_is_refused_with_how_to_write_it(text: str):
    with pytest.raises(UsageError, match=r"names no column: write \{column\}"):
        Template(text)


@pytest.mark.parametrize("text", ["", "hello", "{{text}}"])
def test_a_template_without_a_column_is_refused(text: str):
    with pytest.raises(UsageError, match="each line would ask the same"):
        Template(text)


def test_an_unknown_column_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match=r'"txet".*the columns are "text", "lang"'):
        Template("{txet}").check(["text", "lang"])


def test_many_columns_are_not_all_named():
    with pytest.raises(UsageError, match='"19" and 480 more'):
        Template("{x}").check(str(number) for number in range(500))


@pytest.mark.parametrize("row", [{}, {"a": None}, {"a": msgspec.Raw(b"null")}, {"a": ""}])
def test_a_row_that_lacks_all_that_is_asked_is_missing(row: dict[str, object]):
    with pytest.raises(Missing):
        Template("x {a}").fill(row)


def test_one_of_several_columns_may_be_an_empty_text():
    assert Template("{a}|{b}").fill({"a": "", "b": "x"}) == "|x"


def test_the_template_of_one_column_takes_any_name():
    assert Template.of("a{b} ").fill({"a{b} ": "x"}) == "x"


@given(st.text())
def test_any_text_is_a_template_or_refused(text: str):
    try:
        template = Template(text)
    except UsageError:
        return
    assert isinstance(template.fill(dict.fromkeys(template.columns, "v")), str)
