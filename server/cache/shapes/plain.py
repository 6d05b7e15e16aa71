"""The stream that nearly every answer has, read at once: text alone, and the usage at the end.

Reading chunk by chunk whatever they hold costs three times as much, which a miss would pay. What is not of this form
is left to that reading: tool calls, thoughts, logprobs, fields that are not named here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from server.cache.entry import Kind
from server.cache.shapes.answer import Merged
from server.cache.shapes.events import DONE

BETWEEN = b"\n\ndata: "


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["assistant"] | None = None
    content: str | None = None


class _ChatChoice(msgspec.Struct, forbid_unknown_fields=True):
    delta: _Delta
    index: int = 0
    logprobs: None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: None = None

    @property
    def said(self) -> str | None:
        return self.delta.content


class _TextChoice(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    index: int = 0
    logprobs: None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: None = None
    prompt_token_ids: None = None

    @property
    def said(self) -> str | None:
        return self.text


class _ChatChunk(msgspec.Struct, forbid_unknown_fields=True):
    choices: list[_ChatChoice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    prompt_token_ids: None = None
    prompt_text: None = None


class _TextChunk(_ChatChunk, forbid_unknown_fields=True):
    choices: list[_TextChoice]  # type: ignore[assignment]


_chat = msgspec.json.Decoder(list[_ChatChunk])
_text = msgspec.json.Decoder(list[_TextChunk])


def read(kind: Kind, stream: bytes) -> Merged | None:
    """What `stream` says; None: it is not of this form, or broken."""
    if not stream.startswith(BETWEEN[2:]) or not stream.endswith(DONE):
        return None
    end = len(stream) - len(DONE)
    try:
        chunks = (_text if kind == "completions" else _chat).decode(b"[" + stream[6 : end - 2].replace(BETWEEN, b",") + b"]")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    last = chunks[-1]
    usage = last.usage
    if usage is not None:
        if last.choices:
            return None
        chunks.pop()
    first = chunks[0] if chunks else last
    top: dict[str, Any] = {"id": first.id, "created": first.created, "model": first.model}
    said: dict[int, list[str]] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if chunk.usage is not None or not chunk.choices:
            return None
        for choice in chunk.choices:
            pieces = said.get(choice.index)
            if pieces is None:
                pieces = said[choice.index] = []
                choices[choice.index] = {"index": choice.index}
            if (piece := choice.said) is not None:
                pieces.append(piece)
            if choice.finish_reason is not None:
                choices[choice.index]["finish_reason"] = choice.finish_reason
            if choice.stop_reason is not None:
                choices[choice.index]["stop_reason"] = choice.stop_reason
    for name in ("system_fingerprint", "service_tier"):
        if (value := getattr(last, name) or getattr(first, name)) is not None:
            top[name] = value
    for index, merged in choices.items():
        text = "".join(said[index])
        merged.update({"text": text} if kind == "completions" else {"delta": {"content": text}})
    cut = stream.rfind(BETWEEN, 0, end) + 2 if usage is not None else end
    return Merged(top, choices, usage, stream[:cut], stream[cut:end])
