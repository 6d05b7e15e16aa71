"""A choice of a chat completion, merged out of its deltas and cut into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.cache.shapes.pieces import pieces

WHOLE = "chat.completion"
CHUNK = "chat.completion.chunk"
ID = "chatcmpl-"
OPENING = ("prompt_token_ids", "prompt_text")  # vLLM's, on the first chunk

Choice = dict[str, Any]


def whole(merged: Choice) -> Choice:
    """The choice of the whole answer. `merged` is a choice of the stream with its deltas merged."""
    delta: dict[str, Any] = merged.pop("delta", None) or {}
    content = delta.pop("content", None)
    calls = delta.pop("tool_calls", None)
    message = {"role": delta.pop("role", None) or "assistant", "content": content, "refusal": delta.pop("refusal", None), **delta}
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    if not content:  # the first chunk's empty text says nothing
        message["content"] = None if calls or any(delta.values()) else content or ""
    return {"index": merged.pop("index", 0), "message": message, "logprobs": merged.pop("logprobs", None), **merged}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call without its place in the list, with what deltas may leave out."""
    call = {name: value for name, value in call.items() if name != "index"}
    call = {"id": call.pop("id", None), "type": call.pop("type", None) or "function", **call}
    if call["type"] == "function":
        function = call.get("function") or {}
        call["function"] = {**function, "name": function.get("name") or "", "arguments": function.get("arguments") or ""}
    return call


def chunks(choice: Choice, typing: bool) -> Iterator[Choice]:
    """The choices of the stream that say the same: the role, what was thought, the content, tool calls, the end.

    With `typing` the content comes in pieces of about a word.
    """
    index = choice.get("index", 0)
    message: dict[str, Any] = choice.get("message") or {}
    content = message.get("content")
    yield _chunk(index, {"role": message.get("role") or "assistant", "content": "" if isinstance(content, str) else None})
    known = {"logprobs": choice.get("logprobs"), "token_ids": choice.get("token_ids")}
    tokens = {name: value for name, value in known.items() if value is not None}
    for delta in _deltas(message, content, typing and not tokens):
        yield _chunk(index, delta, **tokens)
        tokens = {}
    rest = {name: value for name, value in choice.items() if name not in ("index", "message", *known)}
    yield {**_chunk(index, {}, **tokens), **rest}


def _deltas(message: dict[str, Any], content: Any, typing: bool) -> Iterator[dict[str, Any]]:
    for name, value in message.items():
        if value and name not in ("role", "content", "tool_calls"):
            yield {name: value}
    if isinstance(content, str) and content:
        for piece in pieces(content) if typing else (content,):
            yield {"content": piece}
    elif content:
        yield {"content": content}
    for place, call in enumerate(message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": place, **call}]}


def _chunk(index: int, delta: dict[str, Any], **more: Any) -> Choice:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **more}
