"""Answers of the real engine (vLLM 0.32.0 with the demo model), each asked for whole and as a stream with usage.

What the engine itself says differently in its two shapes is named here, and nothing else may differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from server.cache.entry import Entry
from server.cache.shapes import entry_from_stream, entry_from_whole, recorder

FOLDER = Path(__file__).parent.parent / "recorded"
MADE_ANEW = frozenset(("id", "created", "created_at", "call_id", "item_id"))  # by every generation

# Refused as a stream, or broken off by an error inside it (a fault of the engine's).
NO_STREAM = frozenset(("chat_prompt_logprobs", "completions_prompt_logprobs", "chat_echo"))
# Each such request has a key of its own for its stream, or a difference that says nothing.
ENGINE_DIFFERS: dict[str, tuple[str, ...]] = {
    "chat_tool_named": ("content",),  # "" beside the call; null in a stream, and where the model chose the tool itself
    "chat_tool_required": ("content",),
    "completions_echo_logprobs": ("prompt_logprobs",),
    "reasoning_chat": ("reasoning",),  # the parser for streams lets the first word of its own mark through
    "reasoning_responses": ("text", "status"),  # the same; and null where the stream says completed
    "responses_tool_required": ("arguments",),  # {"unit" : ...}: white space inside the JSON
}


class Recording(msgspec.Struct):
    path: str
    request: dict[str, Any]
    whole: str
    stream: str = ""


def names(prefix: str = "") -> list[str]:
    return sorted(file.stem for file in FOLDER.glob(f"{prefix}*.json"))


STREAMED = [name for name in names() if not name.startswith("embeddings") and name not in NO_STREAM]


def load(name: str) -> Recording:
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Recording)


def whole_entry(recording: Recording) -> Entry:
    body = recording.whole.encode()
    entry = entry_from_whole(recording.path, body, created=1.0, model="m", namespace="", engine_seconds=0.5)
    assert entry is not None
    return entry


def stream_entry(path: str, stream: bytes) -> Entry | None:
    recording = recorder(path, 2**24)
    recording.feed(stream)
    recorded = recording.finish()
    return recorded and entry_from_stream(path, recorded, created=1.0, model="m", namespace="", engine_seconds=0.5)


def said(value: Any, but: tuple[str, ...] = ()) -> Any:
    """A decoded answer without what is made anew each time, without nulls (absent says the same), and without `but`."""
    if isinstance(value, dict):
        left_out = MADE_ANEW.union(but)
        return {name: said(item, but) for name, item in value.items() if item is not None and name not in left_out}
    return [said(item, but) for item in value] if isinstance(value, list) else value


def read(body: bytes | str) -> Any:
    return json.loads(body)
