"""/v1/responses: the stream's last event holds the whole answer; the events before it are made from its output items.

The answer repeats the request's `user` and `metadata`, which are no part of its identity. They are taken out before an
answer is kept and put in again, as the request at hand has them, when it is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from server.cache.shapes.answer import Recorded, counts
from server.cache.shapes.events import data_of, named, pauses, split, tidy
from server.cache.shapes.pieces import pieces

ENDS = ("response.completed", "response.incomplete")
PERSONAL = ("user", "metadata")
TEXTS = {"output_text": "response.output_text", "reasoning_text": "response.reasoning_text", "refusal": "response.refusal"}

Event = dict[str, Any]

_json = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class _Personal(msgspec.Struct):
    user: Any = None
    metadata: Any = None


_personal = msgspec.json.Decoder(_Personal)


def read_stream(stream: bytes, reads: Sequence[tuple[int, float]] = ()) -> Recorded | None:
    """The answer that `stream` tells; None unless its last event says that it is complete. Raises one of ODD."""
    events = split(tidy(stream))
    if events and data_of(events[-1]) == b"[DONE]":
        events.pop()
    last = _json.decode(data_of(events[-1])) if events else None
    if not isinstance(last, dict) or last.get("type") not in ENDS or not _complete(last.get("response")):
        return None
    answer = last["response"]
    if any(answer.get(name) is not None for name in PERSONAL):
        events = [_with(event, dict.fromkeys(PERSONAL)) for event in events]
        answer = {**answer, **dict.fromkeys(name for name in PERSONAL if name in answer)}
    typed = pauses(reads, events) if reads else ()
    return _recorded(answer, _encode(answer), b"".join(events), typed)


def read_whole(body: bytes) -> Recorded | None:
    """The answer `body` without its stream; None unless it is complete. Raises one of ODD."""
    answer = _json.decode(body)
    if not _complete(answer):
        return None
    if any(answer.get(name) is not None for name in PERSONAL):
        answer.update(dict.fromkeys(name for name in PERSONAL if name in answer))
        body = _encode(answer)
    return _recorded(answer, body, b"", ())


def addressed(body: bytes, events: bytes, request: bytes) -> tuple[bytes, bytes]:
    """`body` and `events` with the `user` and `metadata` of `request`."""
    asked = _personal.decode(request)
    fields = {name: value for name in PERSONAL if (value := getattr(asked, name)) is not None}
    if not fields:
        return body, events
    return _encode({**_json.decode(body), **fields}), b"".join(_with(event, fields) for event in split(events))


def make_events(body: bytes, typing: bool = False) -> list[bytes]:
    """The events that say what the whole answer `body` says; with `typing`, texts come in pieces of about a word."""
    answer = _json.decode(body)
    begun = {**answer, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[Event] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(answer.get("output") or ()):
        events += _item(index, item, typing)
    events.append({"type": "response.completed", "response": answer})  # as vLLM ends it, at a limit too
    return [named({**event, "sequence_number": number}) for number, event in enumerate(events)]


def _item(index: int, item: Event, typing: bool) -> Iterator[Event]:
    place = {"item_id": item.get("id"), "output_index": index}
    kind = item.get("type")
    empty: Event = {"content": []} if kind in ("message", "reasoning") else {"arguments": ""} if kind == "function_call" else {}
    yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **empty, "status": "in_progress"}}
    if kind in ("message", "reasoning"):
        for number, part in enumerate(item.get("content") or ()):
            yield from _part({**place, "content_index": number}, part, typing)
    elif kind == "function_call":
        arguments = item.get("arguments") or ""
        for piece in pieces(arguments) if typing else (arguments,):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        done = {"type": "response.function_call_arguments.done", **place, "arguments": arguments, "name": item.get("name")}
        yield done
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part(place: Event, part: Event, typing: bool) -> Iterator[Event]:
    name = TEXTS.get(part.get("type", ""))
    field = "refusal" if part.get("type") == "refusal" else "text"
    empty = {**part, field: ""} if name else part
    if part.get("type") == "output_text":
        empty["logprobs"] = []
    yield {"type": "response.content_part.added", **place, "part": empty}
    if name:
        text, logprobs = part.get(field) or "", part.get("logprobs") or []
        more = {"logprobs": logprobs} if part.get("type") == "output_text" else {}
        for piece in pieces(text) if typing and not logprobs else (text,):
            yield {"type": f"{name}.delta", **place, "delta": piece, **more}
        yield {"type": f"{name}.done", **place, field: text, **({"logprobs": []} if more else {})}
    yield {"type": "response.content_part.done", **place, "part": part}


def _complete(answer: Any) -> bool:
    if not isinstance(answer, dict) or answer.get("error") is not None or not isinstance(answer.get("output"), list):
        return False
    if answer.get("status") == "incomplete":
        return (answer.get("incomplete_details") or {}).get("reason") != "content_filter"
    return answer.get("status") == "completed"


def _recorded(answer: dict[str, Any], body: bytes, events: bytes, typed: tuple[float, ...]) -> Recorded:
    prompt_tokens, completion_tokens = counts(answer.get("usage"))
    return Recorded("responses", body, events, b"", prompt_tokens, completion_tokens, _natural(answer), typed)


def _natural(answer: dict[str, Any]) -> bool:
    """Whether it ended by itself and holds nothing but text, and thoughts."""
    if answer["status"] != "completed" or not answer["output"]:
        return False
    for item in answer["output"]:
        if item.get("type") == "message":
            if any(part.get("type") != "output_text" for part in item.get("content") or ()):
                return False
        elif item.get("type") != "reasoning":
            return False
    return True


def _with(event: bytes, fields: dict[str, Any]) -> bytes:
    """`event` with `fields` set in its answer, where it holds one."""
    if b'"response":' not in event:
        return event
    data = _json.decode(data_of(event))
    if not isinstance(data.get("response"), dict):
        return event
    data["response"].update(fields)
    return named(data)


def text_of(body: bytes) -> str:
    """The texts of every message."""
    items = _json.decode(body).get("output") or ()
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or ()]
    return "\n".join(part["text"] for part in parts if part.get("type") == "output_text" and isinstance(part.get("text"), str))
