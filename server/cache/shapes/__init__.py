"""An answer's two shapes: whole, and as a stream of events. Each is made from the other, once, and kept.

    recorder(path, max_bytes) -> feed ... finish() -> Recorded -> entry_from_stream(...)      a stream
    entry_from_whole(path, body, ...)                                                         a whole answer
    answer_of(entry, stream, include_usage), or with_stream(entry) and stream_of or paced     served again

Embeddings have one shape; a list of inputs is kept input by input (shapes/embeddings.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from server.cache.entry import KINDS, UNKNOWN, Entry
from server.cache.shapes import choices, embeddings, responses
from server.cache.shapes.answer import ODD, Recorded
from server.cache.shapes.events import DONE, split, spread
from server.cache.shapes.record import Recorder, read_stream, recorder

__all__ = [
    "Recorded", "Recorder", "addressed", "answer_of", "entry_from_stream", "entry_from_whole", "fits", "paced", "read_stream", "recorder",
    "stream_of", "text_of", "with_stream",
]  # fmt: skip


def entry_from_stream(path: str, recorded: Recorded, *, created: float, model: str, namespace: str, engine_seconds: float) -> Entry:
    """The entry of a stream that was recorded to its end; what the parameters say is in Entry."""
    return Entry(
        recorded.kind,
        recorded.body,
        recorded.events,
        recorded.usage_event,
        created,
        model,
        namespace,
        recorded.prompt_tokens,
        recorded.completion_tokens,
        engine_seconds,
        recorded.natural_end,
        recorded.typed,
    )


def entry_from_whole(path: str, body: bytes, *, created: float, model: str, namespace: str, engine_seconds: float) -> Entry | None:
    """The entry of the whole answer `body`; None unless it is complete. Its events are made when first wanted."""
    kind = KINDS.get(path)
    if kind is None:
        return None
    try:
        if kind == "responses":
            recorded = responses.read_whole(body)
        else:
            recorded = embeddings.read_whole(body) if kind == "embeddings" else choices.read_whole(kind, body)
    except ODD:
        return None
    if recorded is None:
        return None
    return entry_from_stream(path, recorded, created=created, model=model, namespace=namespace, engine_seconds=engine_seconds)


def with_stream(entry: Entry) -> Entry:
    """`entry` with its events made; the same object where it has them, or has no such shape. Worth keeping in its place."""
    if entry.events or not entry.body or entry.kind == "embeddings":
        return entry
    try:
        events, usage_event = _make_events(entry)
    except ODD:
        return entry
    return msgspec.structs.replace(entry, events=b"".join(events), usage_event=usage_event)


def _make_events(entry: Entry, typing: bool = False) -> tuple[list[bytes], bytes]:
    if entry.kind == "responses":
        return responses.make_events(entry.body, typing), b""
    return choices.make_events(entry.kind, entry.body, typing)


def fits(entry: Entry, stream: bool, include_usage: bool) -> bool:
    """Whether `entry` can answer a request of this shape. It cannot where the usage is asked for and was never told."""
    if entry.kind == "embeddings":
        return entry.prompt_tokens != UNKNOWN  # else it is a part, for `join` alone
    if not stream:
        return bool(entry.body)
    made = with_stream(entry)
    return bool(made.events) and (bool(made.usage_event) or not include_usage or entry.kind == "responses")


def stream_of(entry: Entry, include_usage: bool) -> bytes:
    """The whole SSE answer, to its end. `entry` fits."""
    if not entry.events:
        entry = with_stream(entry)
    if entry.kind == "responses":
        return entry.events
    return b"".join((entry.events, entry.usage_event, DONE)) if include_usage else entry.events + DONE


def answer_of(entry: Entry, stream: bool, include_usage: bool) -> bytes | None:
    """The bytes of the answer in the shape asked for; None where `entry` does not fit."""
    if stream:
        entry = with_stream(entry)
    if not fits(entry, stream, include_usage):
        return None
    return stream_of(entry, include_usage) if stream and entry.kind != "embeddings" else entry.body


def paced(entry: Entry, include_usage: bool) -> Iterator[tuple[float, bytes]]:
    """(seconds to wait, bytes to send then): the pace at which it was made; in even steps of a word where that is unknown."""
    entry = with_stream(entry)
    end = b"" if entry.kind == "responses" else (entry.usage_event if include_usage else b"") + DONE
    if entry.typed:
        yield from spread(split(entry.events), entry.typed)
    else:
        events = _make_events(entry, typing=True)[0] if entry.body else split(entry.events)
        step = entry.engine_seconds / len(events)
        yield from spread(events, [0.0] + [step] * (len(events) - 1))
    if end:
        yield 0.0, end


def addressed(entry: Entry, request: bytes) -> Entry:
    """`entry` with what an answer repeats of its request but is no part of the identity: `user` and `metadata` of responses."""
    if entry.kind != "responses":
        return entry
    try:
        body, events = responses.addressed(entry.body, entry.events, request)
    except ODD:
        return entry
    return entry if body is entry.body else msgspec.structs.replace(entry, body=body, events=events)


def text_of(entry: Entry) -> str:
    """What the answer says, choices one after the other; tool calls and thoughts are left out."""
    if not entry.body or entry.kind == "embeddings":
        return ""
    try:
        return responses.text_of(entry.body) if entry.kind == "responses" else choices.text_of(entry.body)
    except ODD:
        return ""
