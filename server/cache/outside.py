"""What in a request points outside of it, so that equal requests may have different answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server.cache.entry import Kind

Fields = Mapping[str, Any]

ELSEWHERE = {  # fields that name something kept elsewhere, or that ask for more than an answer
    "previous_response_id": "it goes on from a stored response",
    "conversation": "it goes on in a stored conversation",
    "background": "it runs in the background",
    "kv_transfer_params": "it hands over a KV cache",
    "ec_transfer_params": "it hands over an encoder cache",
    "web_search_options": "it searches the web",
    "store": "it asks the engine to keep the answer",
}
TEXTUAL = frozenset(
    ("text", "input_text", "output_text", "refusal", "thinking", "reasoning_text", "summary_text", "input_audio", "function")
)
ITEMS = frozenset(("message", "function_call", "function_call_output", "reasoning", "custom_tool_call", "custom_tool_call_output"))
TOOLS = frozenset(("function", "custom"))
BINARY = frozenset(("bytes", "bytes_only"))


def outside(kind: Kind, fields: Fields) -> str | None:
    """Why the answer depends on more than the request; None: it does not."""
    if not ELSEWHERE.keys().isdisjoint(fields):
        for name, why in ELSEWHERE.items():
            if fields.get(name) not in (None, False):
                return why
    if kind == "responses":
        return _prompt(fields) or _items(fields.get("input")) or _tools(fields.get("tools"))
    if kind == "embeddings" and _one_of(fields.get("encoding_format"), BINARY):
        return "it asks for an answer that is no JSON"
    messages = fields.get("messages")
    if messages is None:
        return None
    return _messages(messages) or _tools(fields.get("tools"))


def _messages(messages: Any) -> str | None:
    if isinstance(messages, list):
        for message in messages:
            if isinstance(message, dict) and isinstance(message.get("content"), list | dict) and (why := _parts(message["content"])):
                return why
    return None


def _prompt(fields: Fields) -> str | None:
    return None if fields.get("prompt") is None else "it uses a stored prompt"


def _items(items: Any) -> str | None:
    for item in _dicts(items):
        if not _one_of(item.get("type", "message"), ITEMS):
            return f"its input has an item of type '{item.get('type')}'"
        if why := _parts(item.get("content")) or _parts(item.get("output")):
            return why
    return None


def _tools(tools: Any) -> str | None:
    for tool in _dicts(tools):
        if not _one_of(tool.get("type", "function"), TOOLS):
            return f"it may use the tool '{tool.get('type')}', which looks elsewhere"
    return None


def _parts(content: Any) -> str | None:
    for part in _dicts([content] if isinstance(content, dict) else content):
        if _one_of(part["type"], TEXTUAL) if "type" in part else part.keys() <= {"text"}:
            continue
        if part.get("uuid") is not None or part.get("file_id") is not None:
            return "it names a file that is kept elsewhere"
        texts = list(_texts(part))
        if not texts or not all(_is_data(text) for text in texts):
            return "it names a file by its address"
    return None


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a content part that may be addresses, one level of nesting deep, as the API has them."""
    for name, value in part.items():
        if name in ("type", "detail", "filename", "format"):
            continue
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value)


def _is_data(text: str) -> bool:
    """Whether `text` brings its bytes along: a data URL, or bare base64, in which no address can be written."""
    return text[:5].lower() == "data:" or (":" not in text and "\\" not in text and not text.startswith(("/", ".", "~")) and len(text) > 64)


def _one_of(value: Any, names: frozenset[str]) -> bool:
    return isinstance(value, str) and value in names


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item
