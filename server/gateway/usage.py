"""Token counts out of a JSON answer, for metrics and the log."""

from __future__ import annotations

import re

import msgspec

from server.gateway.sse import Usage

SMALL = 64 * 2**10  # bytes; below, decoding the whole answer is cheaper than being clever


class _Answer(msgspec.Struct):
    usage: Usage | None = None


_answer = msgspec.json.Decoder(_Answer)
_COUNT = re.compile(rb'"(prompt|input|completion|output)_tokens"\s*:\s*(\d{1,12})')


def read_usage(body: bytes) -> tuple[int, int]:
    """(prompt tokens, completion tokens) of the answer `body`; zeros where it tells none."""
    if len(body) <= SMALL:
        try:
            usage = _answer.decode(body).usage
        except (msgspec.DecodeError, RecursionError):
            return 0, 0
        return usage.counts if usage else (0, 0)
    # Embeddings and long logprobs: usage stands near the end, in a rerank near the start.
    at = body.rfind(b'"usage"', len(body) - 4096)
    if at < 0:
        at = body.find(b'"usage"', 0, 4096)
    if at < 0:
        return 0, 0
    found = {name: int(count) for name, count in _COUNT.findall(body, at, at + 400)}
    return found.get(b"prompt", found.get(b"input", 0)), found.get(b"completion", found.get(b"output", 0))
