"""What is stored of an answer, and its bytes.

An entry holds one complete answer in both shapes: whole, and as server-sent events. Its bytes are msgpack behind a
version byte and a checksum that is bound to the key it is stored under: a row that was torn, changed, moved to another
key, or written by another version decodes to None and counts as a miss.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import Literal

import msgspec

Kind = Literal["chat", "completions", "responses", "embeddings"]

KINDS: dict[str, Kind] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
}

VERSION = b"\x01"  # of Entry's fields and their meaning; a change of either takes the next number
CHECKSUM = 16  # bytes
UNKNOWN = -1  # prompt tokens of one input out of an embedded list: the engine tells only the sum


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One complete answer. `body` and `events` say the same; server/cache/shapes turns one into the other."""

    kind: Kind
    body: bytes  # the whole answer as JSON, as a client without `stream` gets it
    events: bytes  # the answer as SSE, without the usage chunk and [DONE]; b"": not made yet, or this answer has no such shape
    usage_event: bytes  # the usage chunk as an event; b"" where usage is unknown, or part of `events` (responses)
    created: float  # Unix seconds
    model: str
    namespace: str
    prompt_tokens: int
    completion_tokens: int
    engine_seconds: float  # what the generation took
    natural_end: bool  # every choice stopped by itself, without tool calls or refusal: fit for semantic use
    typed: tuple[float, ...] = ()  # seconds before each event, for paced replay; (): unknown


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(key: bytes, entry: Entry, secret: bytes = b"") -> bytes:
    """`entry` as it is stored under `key` (32 bytes).

    With a `secret` (up to 32 bytes) nobody who can write to the store, but does not know it, can make an entry.
    """
    data = _encoder.encode(entry)
    return VERSION + _checksum(key, data, secret) + data


def decode(key: bytes, data: bytes, secret: bytes = b"") -> Entry | None:
    """The entry stored under `key`; None where `data` is torn, changed, of another key, secret or version."""
    if data[:1] != VERSION or len(data) <= 1 + CHECKSUM:
        return None
    view = memoryview(data)
    if not compare_digest(view[1 : 1 + CHECKSUM], _checksum(key, view[1 + CHECKSUM :], secret)):
        return None
    try:
        return _decoder.decode(view[1 + CHECKSUM :])
    except msgspec.DecodeError:
        return None


def _checksum(key: bytes, data: bytes | memoryview, secret: bytes) -> bytes:
    """Keyed BLAKE2b (RFC 7693) over version and data; its key is the secret behind the entry's own key."""
    digest = blake2b(VERSION, key=(key + secret)[:64], digest_size=CHECKSUM)
    digest.update(data)
    return digest.digest()
