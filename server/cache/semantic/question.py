"""What of a request is compared by its meaning, and what must be equal to the last byte."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from server.cache.identity import Origin

MAX_CHARACTERS = (
    500  # embedders cut a longer text off without a word (MiniLM at 256 tokens, e5 at 512): what differs behind would be unseen
)


class Question(msgspec.Struct, frozen=True):
    """The last user turn's `text`, and the `fingerprint` (a digest) of everything else in the request's body:
    system prompt, earlier turns, sampling parameters, formats, unknown keys."""

    text: str
    fingerprint: bytes

    @property
    def fit(self) -> bool:
        """Whether the text can be compared at all: not empty, and short enough for every embedder to see the whole of it."""
        return 0 < len(self.text) <= MAX_CHARACTERS and not self.text.isspace()


def partition_of(origin: Origin) -> bytes:
    """The digest (32 bytes) of tenant, namespace, model, weights, adapter, template, engine, persona and policy.

    Nothing is served across partitions; false hits are counted, and serving is turned off, by partition.
    """
    return _digest(b"partition", *(str(value).encode("utf-8", "surrogatepass") for value in msgspec.structs.astuple(origin)))


def shelf_of(partition: bytes, fingerprint: bytes) -> bytes:
    """The digest (32 bytes) under which questions may answer for each other: one partition and one fingerprint."""
    return _digest(b"shelf", partition, fingerprint)


def _digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts, each with its length before it, so that no two lists of parts give the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
