from __future__ import annotations

import re
from typing import Any

import pytest

from quantize.calibration.rows import Chat, Text, row

QUESTION, ANSWER = {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [QUESTION, ANSWER]},
        {"messages": [QUESTION, ANSWER], "tools": None, "id": 7},
        {"prompt": "2 + 2?", "answer": "4"},
        {"prompt": "2 + 2?", "completion": "4"},
        {"prompt": "2 + 2?", "response": "4"},
        {"instruction": "2 + 2?", "input": "", "output": "4"},
        {"prompt": [QUESTION], "completion": [ANSWER]},
        {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]},
        {"conversations": [QUESTION, ANSWER]},
        [QUESTION, ANSWER],
    ],
)
def test_the_forms_of_a_chat(value: object):
    assert row(value) == Chat((QUESTION, ANSWER))


@pytest.mark.parametrize("value", ["a text", {"text": "a text"}, {"text": "a text", "language": "en"}])
def test_the_forms_of_a_text(value: object):
    assert row(value) == Text("a text")


def test_an_instructions_input_belongs_to_the_question():
    found = row({"instruction": "Translate.", "input": "book", "output": "책"})
    assert isinstance(found, Chat)
    assert found.messages[0]["content"] == "Translate.\n\nbook"


def test_tools_and_their_calls_are_kept_with_arguments_as_objects():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    tools = [{"type": "function", "function": {"name": "f"}}]
    found = row({"messages": [QUESTION, {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": tools})
    assert isinstance(found, Chat)
    assert found.tools == tuple(tools)
    assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert found.messages[1]["content"] == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "it is 7, and a sample is an object"),
        (None, "it is null, and"),
        ({"a": 1, "b": 2}, "it has neither messages,"),
        ({"a": 1, "b": 2}, "its keys: a, b"),
        ({}, "its keys: none"),
        ({"messages": []}, "its messages are no list, or an empty one"),
        ({"messages": "hi"}, "its messages are no list"),
        ({"messages": ["hi"]}, "message 1 is no object"),
        ({"messages": [QUESTION, {"role": "assistant"}]}, "message 2 has no content"),
        ({"messages": [{"content": "x"}]}, "message 1 has no role"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}, "message 1 has a tool call without a name"),
        ({"messages": [{"role": "assistant", "tool_calls": ["f"]}]}, "message 1 has a tool call without a name"),
        ({"prompt": "x"}, 'it has "prompt" and no answer beside it: add one of answer, completion'),
        ({"prompt": 3, "answer": "x"}, '"prompt" is no text'),
        ({"text": "  "}, '"text" is empty'),
        ({"text": 5}, '"text" is no text'),
        ("", "the text is empty"),
        ({"messages": [QUESTION], "tools": {"a": 1}}, "its tools are no list of objects"),
    ],
)
def test_what_is_wrong_with_a_sample_is_said(value: Any, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        row(value)
