"""A process that uses one SQLite file as a gateway worker does: `python worker.py FILE WHAT [ARGUMENT]`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import time
from pathlib import Path

from server.cache.stores.base import Row
from server.cache.stores.sqlite import SQLite

MAX_BYTES = 8 * 2**20


def value_of(key: bytes, size: int) -> bytes:
    """Bytes that tell whether they are whole, and whether they are this key's."""
    body = key * (size // len(key) + 1)
    return hashlib.sha256(body).digest() + body


def is_whole(row: Row) -> bool:
    body = row.value[32:]
    return (
        hashlib.sha256(body).digest() == row.value[:32]
        and body[:32] == row.key
        and {body[i : i + 32] for i in range(0, len(body), 32)} == {row.key, body[len(body) // 32 * 32 :]} - {b""}
    )


def key_of(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


async def load(store: SQLite, seed: int, seconds: float, keys: int = 400) -> None:
    """Write, read, flush, touch: what is read is whole. Prints how many were read."""
    chance = random.Random(seed)
    read = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(20):
            key = key_of(chance.randrange(keys))
            store.put(Row(key, value_of(key, chance.randrange(100_000)), f"m{chance.randrange(3)}", "n", time.time(), time.time() + 3600))
        for key in [key_of(chance.randrange(keys)) for _ in range(40)]:
            row = await store.get(key)
            if row is not None:
                assert is_whole(row), "a torn row"
                read += 1
        if chance.random() < 0.05:
            await store.flush(f"m{chance.randrange(3)}", None)
        await store.add_counts(b"rounds", {"n": 1})
    print(read, store.tally.errors, flush=True)


async def main(path: Path, what: str, argument: str) -> None:
    store = SQLite(path, MAX_BYTES, 3600, time.time)
    await store.open()
    if what == "load":
        await load(store, os.getpid(), float(argument))
    elif what == "load without end":
        print("begun", flush=True)
        await load(store, os.getpid(), 1e9)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
