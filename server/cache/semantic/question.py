"""What of a request is compared by its meaning, and what must be equal to the last byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from server.cache.identity import Origin

# Embedders cut a longer text off without a word (MiniLM at 256 tokens, e5 at 512): what differs behind would be unseen.
MAX_CHARACTERS = 500
TOOLS = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls")
TURNS = {"/v1/chat/completions": "messages", "/v1/responses": "input"}  # where the turns are; other routes have none


class Question(msgspec.Struct, frozen=True):
    """The last user turn's `text`, and the `fingerprint` (a digest) of everything else in the request's body:
    system prompt, earlier turns, sampling parameters, formats, unknown keys."""

    text: str
    fingerprint: bytes


def question_of(path: str, fields: Mapping[str, Any], origin: Origin) -> Question | None:
    """The question in a request's `fields`, as server/cache/identity.py reads them; None where it has none that may be
    compared by its meaning: tools, images or anything but text in it, no user turn last, an empty or a long text."""
    from server.cache.identity import canonical

    where = TURNS.get(path)
    if where is None or any(fields.get(name) not in (None, [], "none") for name in TOOLS) or _shows_probabilities(fields):
        return None
    turns = fields.get(where)
    if where == "input" and isinstance(turns, str):
        text, rest = turns, {**fields, where: None}
    else:
        if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) and _is_text(turn) for turn in turns):
            return None
        last = turns[-1]
        found = _text(last.get("content"))
        if last.get("role") != "user" or found is None:
            return None
        form = "text" if isinstance(last["content"], str) else [{**part, "text": None} for part in last["content"]]
        text, rest = found, {**fields, where: [*turns[:-1], {**last, "content": form}]}
    if not 0 < len(text) <= MAX_CHARACTERS or text.isspace():
        return None
    return Question(text, _digest(b"fingerprint", path.encode(), canonical(rest)))


def partition_of(origin: Origin, embedder: str) -> bytes:
    """The digest (32 bytes) of tenant, namespace, model, weights, adapter, template, engine, persona and policy, and of
    what measures similarity.

    Nothing is served across partitions; false hits are counted, and serving is turned off, by partition.
    """
    return _digest(b"partition", embedder.encode(), msgspec.msgpack.encode(origin))


def shelf_of(partition: bytes, fingerprint: bytes) -> bytes:
    """The digest (32 bytes) under which questions may answer for each other: one partition and one fingerprint."""
    return _digest(b"shelf", partition, fingerprint)


def _is_text(turn: Mapping[str, Any]) -> bool:
    """Whether a turn holds text alone: no tool call or its result, no image, no sound."""
    if turn.get("role") == "tool" or turn.get("role") == "function" or turn.get("type", "message") != "message":
        return False
    if turn.get("tool_calls") or turn.get("function_call"):
        return False
    content = turn.get("content")
    if isinstance(content, str):
        return True
    return isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") in ("text", "input_text", "output_text") and isinstance(part.get("text"), str)
        for part in content
    )


def _text(content: Any) -> str | None:
    """The text of a turn in one piece, a string or a single part; None: several parts, whose borders may matter."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        text = content[0].get("text")
        return text if isinstance(text, str) else None
    return None


def _shows_probabilities(fields: Mapping[str, Any]) -> bool:
    """Whether the answer tells probabilities: those of another question's tokens would be wrong numbers."""
    return any(fields.get(name) not in (None, False) for name in ("logprobs", "top_logprobs", "prompt_logprobs", "echo"))


def _digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts, each with its length before it, so that no two lists of parts give the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
