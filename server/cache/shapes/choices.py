"""Chat and completions: an answer of choices, each streamed in chunks that carry its index.

vLLM's two shapes say the same in slightly different words, and so do ours: the whole answer names absent fields with
null where the stream leaves them out, and a chat stream opens each choice with a chunk for the role.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec

from server.cache.entry import Kind
from server.cache.shapes import chat, completions, plain
from server.cache.shapes.answer import CUT, Merged, Recorded, Usage, counts, ended, natural
from server.cache.shapes.events import data_of, event, pauses, split, tidy
from server.deltas import add, joined

SHAPES: dict[str, ModuleType] = {"chat": chat, "completions": completions}
ENVELOPE = frozenset(("id", "object", "created", "model", "choices", "usage"))
CLOSING = ("system_fingerprint", "metrics")  # vLLM's, on the chunk that ends the stream

Reads = Sequence[tuple[int, float]]  # (bytes so far, when) of each read of the stream

_json = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class _Said(msgspec.Struct):
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None
    audio: Any = None


class _Choice(msgspec.Struct):
    message: _Said | None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class _Usual(msgspec.Struct):
    choices: list[_Choice]
    usage: Usage | None = None
    error: Any = None


_usual = msgspec.json.Decoder(_Usual)


class _Broken(ValueError):
    """The stream holds something else than a complete answer."""


def read_stream(kind: Kind, stream: bytes, reads: Reads = ()) -> Recorded | None:
    """The answer that `stream` tells; None unless it is complete: each choice has ended, [DONE] came, and no error.

    Costs time in proportion to the stream's length. Raises one of ODD for an answer of a form that nobody foresaw.
    """
    merged = plain.read(kind, stream) or _merge(tidy(stream))
    if merged is None or not merged.choices or not all(map(ended, merged.choices.values())):
        return None
    shape = SHAPES[kind]
    choices = [shape.whole(_ordered(merged.choices[index])) for index in sorted(merged.choices)]
    top, usage = merged.top, merged.usage
    head = {"id": top.pop("id", None), "object": shape.WHOLE, "created": top.pop("created", None), "model": top.pop("model", None)}
    top.pop("object", None)
    usage_event = merged.usage_event
    if usage is not None and not usage_event:
        usage_event = event({**head, "object": shape.CHUNK, "choices": [], "usage": usage})
    prompt_tokens, completion_tokens = counts(usage)
    return Recorded(
        kind=kind,
        body=_encode({**head, "choices": choices, **top, "usage": usage}) if usage is not None else b"",
        events=merged.events,
        usage_event=usage_event,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        natural_end=usage is not None and all(map(natural, choices)),
        typed=pauses(reads, split(merged.events)) if reads else (),
    )


def _merge(stream: bytes) -> Merged | None:
    """The stream read event by event, whatever they hold; None where it is broken off or tells an error."""
    events = split(stream)
    if not events or data_of(events[-1]) != b"[DONE]":
        return None
    merged = Merged({}, {}, None, b"", b"")
    try:
        kept = [_take(merged, raw) for raw in events[:-1]]
    except _Broken:
        return None
    merged.events = b"".join(kept)
    merged.choices = {index: joined(choice) for index, choice in merged.choices.items()}
    return merged


def _take(merged: Merged, raw: bytes) -> bytes:
    """Merge one event; what of it is kept in the stream. Raises _Broken."""
    chunk = _chunk(raw)
    choices = chunk.pop("choices")
    usage = chunk.pop("usage", None)
    for name, value in chunk.items():
        if value is not None:
            merged.top.setdefault(name, value)
    if usage is not None:
        merged.usage = usage
    if not choices:
        if usage is None:
            return raw
        merged.usage_event = raw
        return b""
    for choice in choices:
        _add_choice(merged.choices, choice)
    return raw if usage is None else event({**chunk, "choices": choices})  # usage in every chunk is not what others asked for


def _add_choice(choices: dict[int, dict[str, Any]], choice: Any) -> None:
    if not isinstance(choice, dict) or not isinstance(choice.get("index", 0), int):
        raise _Broken
    into = choices.setdefault(choice.get("index", 0), {})
    for name in ("finish_reason", "stop_reason"):
        if choice.get(name) is not None:
            into[name] = choice[name]
    add(into, {name: value for name, value in choice.items() if name not in ("finish_reason", "stop_reason")})


def _chunk(raw: bytes) -> dict[str, Any]:
    chunk = _json.decode(data_of(raw))
    if not isinstance(chunk, dict) or chunk.get("error") is not None or not isinstance(chunk.get("choices"), list):
        raise _Broken
    return chunk


def _ordered(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice whose end comes before vLLM's own fields, as in its whole answers."""
    ends: dict[str, Any] = {name: choice.pop(name) for name in ("finish_reason", "stop_reason") if name in choice}
    return {**choice, **ends}


def read_whole(kind: Kind, body: bytes) -> Recorded | None:
    """The answer `body` without its stream; None unless it is complete. Raises one of ODD."""
    found = _read_usual(body)
    if found is not None:
        ends, natural_end, (prompt_tokens, completion_tokens) = found
        return Recorded(kind, body, b"", b"", prompt_tokens, completion_tokens, natural_end) if ends else None
    answer = _json.decode(body)
    choices = answer.get("choices") if isinstance(answer, dict) and answer.get("error") is None else None
    if not isinstance(choices, list) or not choices:
        return None
    if not all(isinstance(choice, dict) and ended(choice) for choice in choices):
        return None
    prompt_tokens, completion_tokens = counts(answer.get("usage"))
    return Recorded(
        kind=kind,
        body=body,
        events=b"",
        usage_event=b"",
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        natural_end=all(map(natural, choices)),
    )


def _read_usual(body: bytes) -> tuple[bool, bool, tuple[int, int]] | None:
    """(whether every choice has ended, by itself, and the token counts) of an answer as nearly all are; None: it needs a closer look.

    Texts are not decoded, which is most of the time: so they must be without escapes that may stand for half a character.
    """
    if b"\\u" in body:
        return None
    try:
        if not body.isascii():
            body.decode()
        answer = _usual.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if answer.error is not None or not answer.choices:
        return None
    ends = natural_end = True
    for choice in answer.choices:
        said = choice.message
        if choice.finish_reason is None or choice.finish_reason in CUT:
            ends = False
        if choice.finish_reason != "stop" or type(choice.stop_reason) is str:
            natural_end = False
        if said is not None and (said.tool_calls or said.function_call or said.refusal or said.audio):
            natural_end = False
    return ends, natural_end, answer.usage.counts if answer.usage is not None else (0, 0)


def make_events(kind: Kind, body: bytes, typing: bool = False) -> tuple[list[bytes], bytes]:
    """(the events, the usage event or b"") that say what the whole answer `body` says."""
    answer = _json.decode(body)
    shape = SHAPES[kind]
    head = {"id": answer.get("id"), "object": shape.CHUNK, "created": answer.get("created"), "model": answer.get("model")}
    more = {name: value for name, value in answer.items() if value is not None and name not in ENVELOPE}
    closing = {name: more.pop(name) for name in CLOSING if name in more}
    events = []
    for choice in answer["choices"]:
        for part in shape.chunks(choice, typing):
            ends = {} if part.get("finish_reason") is None else closing
            events.append(event({**head, "choices": [part], **more, **ends}))
            more = {}
    usage = answer.get("usage")
    usage_event = event({**head, "choices": [], "usage": usage, **closing}) if usage is not None else b""
    return events, usage_event


def text_of(body: bytes) -> str:
    """The content of every choice."""
    found = []
    for choice in _json.decode(body).get("choices") or ():
        text = choice.get("text") if "text" in choice else (choice.get("message") or {}).get("content")
        if isinstance(text, str):
            found.append(text)
    return "\n".join(found)
