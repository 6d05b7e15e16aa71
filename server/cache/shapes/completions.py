"""A choice of a text completion, merged out of its pieces and cut into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.cache.shapes.pieces import pieces

WHOLE = CHUNK = "text_completion"
ID = "cmpl-"
OPENING: tuple[str, ...] = ()

Choice = dict[str, Any]


def whole(merged: Choice) -> Choice:
    """The choice of the whole answer."""
    if merged.get("token_ids") is None:
        merged.pop("prompt_token_ids", None)  # a stream that echoes tells them unasked
    return {"index": merged.pop("index", 0), "text": merged.pop("text", None) or "", "logprobs": merged.pop("logprobs", None), **merged}


def chunks(choice: Choice, typing: bool) -> Iterator[Choice]:
    """The choices of the stream that say the same; with `typing` in pieces of about a word."""
    text = choice.get("text") or ""
    if typing and choice.get("logprobs") is None and choice.get("token_ids") is None:
        *first, text = pieces(text) or [""]
        for piece in first:
            yield {"index": choice.get("index", 0), "text": piece, "logprobs": None, "finish_reason": None, "stop_reason": None}
    yield {**choice, "text": text}
