"""A row as a Valkey server keeps it (msgpack), and the command that puts it there."""

from __future__ import annotations

from typing import Any

import msgspec

from server.cache.stores.base import Row
from server.cache.stores.server import call

ROOM = 1000  # bytes a server takes for a row or a question beside its value: 990 by INFO memory, at 15,000 rows of 1,000 bytes

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.Decoder(tuple[bytes, str, str, float, float]).decode
_unpack_names = msgspec.msgpack.Decoder(tuple[str | None, str | None]).decode


def unpack(key: bytes, value: bytes) -> Row:
    """Raises msgspec.DecodeError where `value` is no row."""
    return Row(key, *_unpack(value))


def pack_names(model: str | None, namespace: str | None) -> bytes:
    """A model and a namespace; None: all of them."""
    return _pack((model, namespace))


def unpack_names(names: bytes) -> tuple[str | None, str | None]:
    return _unpack_names(names)


def put_words(row: Row, now: float, ttl: float, max_bytes: int, process: bytes) -> tuple[Any, ...]:
    """The command that puts `row`; the server forgets it by its own clock after what is left of its time by ours."""
    model, namespace = row.model, row.namespace
    expires = min(row.expires, row.created + ttl)
    packed = _pack((row.value, model, namespace, row.created, expires))
    flushes = [pack_names(*names) for names in ((None, None), (model, None), (None, namespace), (model, namespace))]
    return call(
        "put", row.key, packed, len(packed) + ROOM, flushes[3], repr(now), max(1, int((expires - now) * 1000)), repr(row.created),
        repr(expires), max_bytes, process, *flushes, ROOM,
    )  # fmt: skip
