"""Prompts, conversations and rows made requests."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batch.base import BadLine, Line
from server.batch.request import Limits
from server.batch.shape import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Shape
from server.batch.template import Template
from server.errors import UsageError


def body(found: Line | BadLine) -> dict[str, Any]:
    assert isinstance(found, Line), found
    return json.loads(found.body)


def of(shape: Shape, **fields: Any) -> Line | BadLine:
    return shape.of_object(json.dumps(fields).encode(), 7)


def bad(found: Line | BadLine) -> str:
    assert isinstance(found, BadLine)
    assert found.number == 7
    assert found.message.startswith("Line 7")
    return found.code


@pytest.mark.parametrize(
    ("url", "system", "asked"),
    [
        (CHAT, None, {"messages": [{"role": "user", "content": "hi"}]}),
        (CHAT, "Be brief.", {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]}),
        (COMPLETIONS, None, {"prompt": "hi"}),
        (EMBEDDINGS, None, {"input": "hi"}),
        (RESPONSES, None, {"input": "hi"}),
        (RESPONSES, "Be brief.", {"input": "hi", "instructions": "Be brief."}),
    ],
)
def test_a_prompt_is_asked_as_the_endpoint_wants_it(url: str, system: str | None, asked: dict[str, Any]):
    shape = Shape(url, "m", system)
    assert body(of(shape, prompt="hi")) == {"model": "m", **asked}
    assert body(shape.of_text("hi", 1)) == {"model": "m", **asked}
    assert body(Shape(url, "m", system, Template("{a}")).of_row({"a": "hi"}, 1)) == {"model": "m", **asked}


@pytest.mark.parametrize("url", [COMPLETIONS, EMBEDDINGS])
def test_a_system_prompt_where_there_is_no_place_for_one_is_refused(url: str):
    with pytest.raises(UsageError, match=r"--system has no place"):
        Shape(url, "m", "Be brief.")


def test_other_keys_of_a_json_line_stay_in_its_body_as_written():
    found = Shape(CHAT, "m").of_object(b'{"prompt": "hi", "temperature": 0.70, "seed": 123456789012345678901234567890, "x": {"a" : 1}}', 1)
    assert isinstance(found, Line)
    assert b'"temperature":0.70,"seed":123456789012345678901234567890,"x":{"a" : 1}' in found.body


def test_defaults_go_where_the_line_has_nothing_of_its_own():
    shape = Shape(CHAT, "m", defaults={"max_tokens": 5, "temperature": 0})
    found = body(of(shape, prompt="hi", temperature=1))
    assert (found["max_tokens"], found["temperature"]) == (5, 1)
    assert body(shape.of_text("hi", 1))["temperature"] == 0


def test_a_lines_own_model_goes_before_the_given_one():
    assert body(of(Shape(CHAT, "m"), prompt="hi", model="own"))["model"] == "own"
    assert body(of(Shape(CHAT, "m"), prompt="hi", model=None))["model"] == "m"


def test_a_line_without_any_model_says_which_flag_names_one():
    found = of(Shape(), prompt="hi")
    assert bad(found) == "missing_required_parameter"
    assert isinstance(found, BadLine)
    assert "--model" in found.message


def test_messages_go_as_they_are():
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert body(of(Shape(CHAT, "m"), messages=messages))["messages"] == messages
    assert body(of(Shape(RESPONSES, "m"), messages=messages))["input"] == messages


@pytest.mark.parametrize(("role", "count"), [("user", 2), ("system", 1), ("developer", 1)])
def test_a_system_prompt_goes_before_messages_that_have_none(role: str, count: int):
    found = body(of(Shape(CHAT, "m", "S"), messages=[{"role": role, "content": "x"}]))["messages"]
    assert len(found) == count


def test_token_ids_are_a_prompt_where_the_endpoint_takes_them():
    assert body(of(Shape(COMPLETIONS, "m"), prompt=[1, 2]))["prompt"] == [1, 2]
    assert body(of(Shape(EMBEDDINGS, "m"), input=["a", "b"]))["input"] == ["a", "b"]
    assert bad(of(Shape(CHAT, "m"), prompt=[1, 2])) == "invalid_type"


@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ({"custom_id": "a", "id": "b"}, "a"),
        ({"id": "b"}, "b"),
        ({"id": 5}, "5"),
        ({"id": None}, "line-7"),
        ({"id": ""}, "line-7"),
        ({}, "line-7"),
    ],
)
def test_an_id_is_the_lines_own_or_its_number_and_stays_out_of_the_body(fields: dict[str, Any], id: str):
    found = of(Shape(CHAT, "m"), prompt="hi", **fields)
    assert isinstance(found, Line)
    assert found.custom_id == id
    assert {"id", "custom_id"}.isdisjoint(body(found))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"text": "hi"}, "missing_required_parameter"),
        ({"input": "hi"}, "missing_required_parameter"),
        ({"prompt": None}, "invalid_type"),
        ({"prompt": 1}, "invalid_type"),
        ({"messages": "hi"}, "invalid_type"),
        ({"messages": []}, "invalid_type"),
        ({"messages": {}}, "invalid_type"),
        ({"prompt": "hi", "model": 5}, "invalid_type"),
        ({"prompt": "hi", "stream": True}, "unsupported_parameter"),
        ({"prompt": "x" * 2000}, "line_too_long"),
    ],
)
def test_a_line_that_makes_no_request_is_bad_with_a_code(fields: dict[str, Any], code: str):
    assert bad(of(Shape(CHAT, "m", limits=Limits(max_line=1000)), **fields)) == code


def test_messages_are_refused_for_an_endpoint_without_conversations():
    assert bad(of(Shape(EMBEDDINGS, "m"), messages=[{"role": "user", "content": "x"}])) == "invalid_url"


def test_with_a_template_any_object_is_a_row_and_only_the_prompt_is_sent():
    shape = Shape(CHAT, "m", template=Template("{a} {b}"))
    found = of(shape, a="x", b=2, label="y", id=9)
    assert body(found) == {"model": "m", "messages": [{"role": "user", "content": "x 2"}]}
    assert isinstance(found, Line)
    assert found.custom_id == "9"
    assert bad(of(shape, a="x")) == "missing_value"


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_shapes = st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES]).map(lambda url: Shape(url, "m"))


@given(
    _shapes | st.just(Shape(CHAT, "m", "s", Template("{prompt}"))),
    st.dictionaries(st.sampled_from(["prompt", "messages", "input", "model", "id", "stream"]), _json),
)
def test_no_json_raises(shape: Shape, fields: dict[str, Any]):
    found = shape.of_object(json.dumps(fields).encode(), 1)
    if isinstance(found, Line):
        json.loads(found.body)


@given(_shapes, st.binary())
def test_no_bytes_raise(shape: Shape, raw: bytes):
    assert isinstance(shape.of_object(raw, 1), Line | BadLine)
