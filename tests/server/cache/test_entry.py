"""An entry comes back as it was stored, or not at all."""

from __future__ import annotations

import hashlib
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.cache import entry as module
from server.cache.entry import Entry, decode, encode

KEY = hashlib.sha256(b"one").digest()
OTHER = hashlib.sha256(b"other").digest()
ENTRY = Entry("chat", b'{"id":"1"}', b"data: {}\n\n", b"data: {}\n\n", 1.5, "m", "shared", 5, 3, 0.25, True, (0.0, 0.125))


def test_an_entry_comes_back():
    assert decode(KEY, encode(KEY, ENTRY)) == ENTRY
    assert decode(KEY, encode(KEY, ENTRY, b"secret"), b"secret") == ENTRY


@given(st.binary(max_size=300), st.binary(max_size=300), st.text(max_size=20), st.floats(allow_nan=False), st.integers(0, 2**62))
def test_any_entry_comes_back(body: bytes, events: bytes, model: str, created: float, tokens: int):
    entry = Entry("completions", body, events, b"", created, model, "", tokens, tokens, 0.0, False)
    assert decode(KEY, encode(KEY, entry)) == entry


def test_a_row_of_another_key_is_dropped():
    assert decode(OTHER, encode(KEY, ENTRY)) is None


def test_every_changed_bit_is_noticed():
    data = encode(KEY, ENTRY)
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            assert decode(KEY, bytes(changed)) is None, (place, bit)


def test_every_truncation_is_noticed():
    data = encode(KEY, ENTRY)
    for length in range(len(data)):
        assert decode(KEY, data[:length]) is None
        assert decode(KEY, data[:length] + b"\0" * (len(data) - length)) is None or data[length:].strip(b"\0") == b""


def test_what_stands_behind_an_entry_is_noticed():
    assert decode(KEY, encode(KEY, ENTRY) + b"\0") is None
    assert decode(KEY, encode(KEY, ENTRY) * 2) is None


def test_an_entry_of_another_version_is_dropped():
    data = encode(KEY, ENTRY)
    assert decode(KEY, b"\x02" + data[1:]) is None


def test_whoever_does_not_know_the_secret_can_make_no_entry():
    forged = msgspec.structs.replace(ENTRY, body=b'{"id":"evil"}')
    assert decode(KEY, encode(KEY, forged), b"secret") is None
    assert decode(KEY, encode(KEY, forged, b"guess"), b"secret") is None
    assert decode(KEY, encode(KEY, forged, b"secret")) is None


def test_a_sound_checksum_over_something_else_is_dropped():
    for data in (b"", b"\x80", msgspec.msgpack.encode(["chat", 5]), msgspec.msgpack.encode(["poem", *[b""] * 11])):
        assert decode(KEY, b"\x01" + module._checksum(KEY, data, b"") + data) is None


def test_random_bytes_are_dropped():
    random = Random(1)
    for _ in range(1_000):
        assert decode(KEY, b"\x01" + random.randbytes(random.randrange(200))) is None
        assert decode(KEY, random.randbytes(random.randrange(200))) is None
