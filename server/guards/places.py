"""Where a request carries text: everywhere that is not known to carry none.

A list of the fields that hold text would have a hole for each field that an engine adds. So every string of the body is
read, whatever it is called, but for those listed here: names and types that the API gives meaning to, and files that are
not text. Keys are read too where they are not words of the API itself: a tool's parameters may be called anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Of the body itself: what chooses the model, and what never reaches it.
NOT_SHOWN = frozenset(
    ("model", "user", "safety_identifier", "prompt_cache_key", "cache_salt", "request_id", "service_tier", "encoding_format", "metadata")
) | frozenset(("stream_options", "previous_response_id", "truncation", "truncate_prompt_tokens"))
ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function", "ipython"))
NAMES = frozenset(("type", "object", "status", "format", "detail"))  # strings that choose something, where they look like it
IDS = frozenset(("id", "tool_call_id", "call_id", "item_id", "response_id", "file_id"))
FILES = {  # parts that carry a file: key -> the strings in it that are no text
    "image_url": ("url",),
    "video_url": ("url",),
    "audio_url": ("url",),
    "input_audio": ("data",),
    "file": ("file_data",),
}
API_WORDS = frozenset((  # keys that say nothing
    "additionalProperties", "allOf", "annotations", "anyOf", "arguments", "audio_url", "call_id", "content", "data",
    "default", "description", "detail", "documents", "encrypted_content", "enum", "file", "file_data", "filename", "format",
    "function", "function_call", "functions", "id", "image_url", "include_usage", "input", "input_audio", "item_id", "items",
    "json_schema", "logprobs", "maximum", "messages", "minimum", "mode", "name", "oneOf", "output", "parameters",
    "prediction", "properties", "query", "reasoning", "reasoning_content", "refusal", "required", "response_format", "role",
    "schema", "status", "strict", "structured_outputs", "summary", "text", "title", "tool", "tool_call_id", "tool_calls",
    "tool_choice", "tools", "type", "url", "video_url",
))  # fmt: skip
DEEPEST = 100  # levels; msgspec gives up earlier or later, json.loads near 1,000
_NAME = re.compile(r"[A-Za-z_$][A-Za-z_$.-]*[0-9]{0,4}")
_ID = re.compile(r"(?!.*[0-9]{9})[A-Za-z0-9_-]{1,128}")

Put = Callable[[str], None]


class TokenIds(Exception):
    """The request holds token ids in place of text, which cannot be read here."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


@dataclass(slots=True)
class Place:
    """One text: its path (`messages[0].content`), who said it, and how to put another in its place.

    Where several are put, the last goes first: a key is renamed after what it leads to was changed.
    """

    path: str
    text: str
    role: str
    put: Put
    key: bool = False  # the name of a field


def of_request(data: Any) -> list[Place]:
    """The texts of a decoded body, in its order. Raises TokenIds."""
    found: list[Place] = []
    if isinstance(data, dict):
        for key in list(data):
            if key not in NOT_SHOWN:
                if key in ("prompt", "input") and _token_ids(data[key]):
                    raise TokenIds(key)
                _walk(data, key, data[key], key, "system" if key == "instructions" else "user", found, 0)
    return found


def _token_ids(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    return any((isinstance(item, int) and not isinstance(item, bool)) or _token_ids(item) for item in value)


def _walk(parent: Any, key: Any, value: Any, path: str, role: str, found: list[Place], depth: int) -> None:
    if isinstance(value, str):
        if value:
            found.append(Place(path, value, role, _setter(parent, key)))
    elif depth > DEEPEST:
        raise RecursionError
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(value, index, item, f"{path}[{index}]", role, found, depth + 1)
    elif isinstance(value, dict):
        said = value.get("role")
        role = said if isinstance(said, str) else role
        for name in list(value):
            inner = value[name]
            if isinstance(inner, str) and is_no_text(path, name, inner):
                continue
            shown = name
            if name not in API_WORDS:
                shown = "*"  # paths are told and logged; this may be what a guard cuts out
                found.append(Place(f"{path}.*", name, role, _renamer(value, name), key=True))
            _walk(value, name, inner, f"{path}.{shown}", role, found, depth + 1)


def is_no_text(path: str, name: str, value: str) -> bool:
    if name == "role":
        return value in ROLES
    if name in NAMES:
        return _NAME.fullmatch(value) is not None
    if name in IDS:
        return _ID.fullmatch(value) is not None
    if name in FILES:
        return value.startswith(("data:", "http://", "https://"))
    return name in FILES.get(path.rpartition(".")[2], ())


def _setter(parent: Any, key: Any) -> Put:
    def put(text: str) -> None:
        parent[key] = text

    return put


def _renamer(parent: dict[str, Any], name: str) -> Put:
    def put(text: str) -> None:
        items = [(text if key == name else key, value) for key, value in parent.items()]
        parent.clear()
        parent.update(items)

    return put
