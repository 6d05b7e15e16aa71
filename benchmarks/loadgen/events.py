"""What an event of an OpenAI stream holds, as far as figures are made of it."""

from __future__ import annotations

from typing import Any

import msgspec

DETAIL = 300  # characters of a server's words that are kept


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class Choice(msgspec.Struct, gc=False):
    """`delta` of a chat stream, `text` of a completion's."""

    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class Event(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


decode = msgspec.json.Decoder(Event).decode  # raises msgspec.DecodeError
SERIALIZED = msgspec.json.Decoder()


def said(data: bytes) -> str:
    """A server's own words: the message of its JSON error, else the text as it stands. Cut to DETAIL characters, one line."""
    try:
        value = SERIALIZED.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return short(data.decode(errors="replace"))
    return short(message(value) or data.decode(errors="replace"))


def message(value: Any) -> str:
    """The message in an error's JSON: {"error": {"message": ..}}, {"error": ..}, {"message": ..}, {"detail": ..}; "" without one."""
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(key):
            return message(value[key]) or str(value[key])
    return value if isinstance(value, str) else ""


def error_of(data: bytes) -> str | None:
    """What an event without choices, usage and `error` says where it is an error all the same ({"object": "error"}), else None."""
    value = SERIALIZED.decode(data)
    if isinstance(value, dict) and "error" in (value.get("object"), value.get("type")):
        return short(message(value) or data.decode(errors="replace"))
    return None


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= DETAIL else text[: DETAIL - 3] + "..."
