"""One sample of a calibration set in any of the forms that data sets come in: a chat or a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant", "function": "tool", "observation": "tool"}
QUESTIONS = ("prompt", "question", "instruction")
ANSWERS = ("answer", "completion", "response", "output")
FORMS = 'messages, "prompt" and "answer", conversations, or text'


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Chat:
    """Messages as the OpenAI API has them, the arguments of tool calls as objects."""

    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()


Row = Text | Chat


def row(value: object) -> Row:
    """What `value`, read from JSON, is. Raises ValueError saying what is wrong with it."""
    if isinstance(value, str):
        return Text(_filled(value, "the text"))
    if isinstance(value, list):
        return Chat(_messages(value))
    if not isinstance(value, Mapping):
        raise ValueError(f"it is {json.dumps(value)}, and a sample is an object with {FORMS}, or a text")
    if "messages" in value:
        return Chat(_messages(value["messages"]), _tools(value.get("tools")))
    if "conversations" in value:
        return Chat(_messages(value["conversations"]), _tools(value.get("tools")))
    question, answer = (next((key for key in keys if value.get(key)), None) for keys in (QUESTIONS, ANSWERS))
    if question and answer:
        return Chat((*_turn(value[question], "user", question, value.get("input")), *_turn(value[answer], "assistant", answer)))
    if "text" in value:
        return Text(_filled(value["text"], '"text"'))
    if question:
        raise ValueError(f'it has "{question}" and no answer beside it: add one of {", ".join(ANSWERS)}')
    found = ", ".join(map(str, value)) or "none"
    raise ValueError(f"it has neither {FORMS}; its keys: {found}")


def _messages(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("its messages are no list, or an empty one")
    return tuple(_message(number, each) for number, each in enumerate(value, start=1))


def _message(number: int, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"message {number} is no object with role and content")
    role, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
    if not isinstance(role, str):
        raise ValueError(f"message {number} has no role")
    if not isinstance(content, str | list) and not value.get("tool_calls"):
        raise ValueError(f"message {number} has no content")
    kept = {key: each for key, each in value.items() if key not in ("from", "value", "tool_calls") and each is not None}
    message = {**kept, "role": ROLES.get(role, role), "content": content or ""}
    if calls := value.get("tool_calls"):
        message["tool_calls"] = [_call(number, call) for call in calls]
    return message


def _call(number: int, value: Any) -> Mapping[str, Any]:
    """Arguments as an object: the API has them as text, and most chat templates turn them into JSON themselves."""
    try:
        function = value.get("function", value)
        arguments = function["arguments"]
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        return {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"message {number} has a tool call without a name or whole arguments ({error})") from None


def _turn(value: object, role: str, key: str, more: object = None) -> tuple[Mapping[str, Any], ...]:
    if isinstance(value, list):
        return _messages(value)
    content = _filled(value, f'"{key}"')
    return ({"role": role, "content": f"{content}\n\n{more}" if isinstance(more, str) and more.strip() else content},)


def _tools(value: object) -> tuple[Mapping[str, Any], ...]:
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else None
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ValueError("its tools are no list of objects")
    return tuple(value)


def _filled(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    if not value.strip():
        raise ValueError(f"{what} is empty")
    return value
