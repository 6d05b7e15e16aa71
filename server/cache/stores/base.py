"""What a store of cached answers is.

A store keeps bytes under keys: what is in them, and whether they are still what was written, is the business of
server/cache/entry.py. Times are Unix seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

Clock = Callable[[], float]
Flushed = Callable[[str | None, str | None], None]
Replaced = Callable[[Sequence[bytes]], None]

ROW_OVERHEAD = 512  # bytes beside a row's key and value: 270 for its objects (tracemalloc), and its names where they are its own

QUEUED_ROWS, QUEUED_BYTES = 20_000, 64 * 2**20  # that wait to be written, at most
TOUCH_EVERY, TOUCH_AGAIN = 1.0, 30.0  # seconds: uses are gathered; a key's use is not noted twice
QUESTIONS = 5000  # that `Store.questions` returns at once at most


class StoreDown(Exception):
    """The store cannot answer now. To a request this is a miss; it never becomes an error."""


class Row(msgspec.Struct, frozen=True):
    """One cached answer. `expires` is when it is no longer served; a store's own `ttl` can only make that sooner."""

    key: bytes
    value: bytes
    model: str
    namespace: str
    created: float
    expires: float

    @property
    def size(self) -> int:
        return len(self.key) + len(self.value) + ROW_OVERHEAD


class Group(msgspec.Struct, frozen=True):
    """What a store holds for one model and namespace."""

    model: str
    namespace: str
    entries: int
    bytes: int


class StoreStats(msgspec.Struct, frozen=True):
    """What a store holds now, for all workers; and what this process has counted since it began.

    `dropped`: rows not written, because the queue was full, the store down or the row too large.
    `errors`: operations of the store that failed.
    """

    name: str
    up: bool
    entries: int
    bytes: int
    max_bytes: int
    groups: tuple[Group, ...] = ()
    questions: int = 0
    evicted: int = 0
    expired: int = 0
    dropped: int = 0
    errors: int = 0


class Touched:
    """Keys that were used, gathered: each is told to the store once in `again` seconds, all of them together.

    A row that is used a thousand times a second is as recent as one used once.
    """

    def __init__(self, again: float) -> None:
        self.again = again
        self.keys: set[bytes] = set()
        self._lately: set[bytes] = set()
        self._since = 0.0

    def take(self, now: float) -> set[bytes]:
        if now - self._since >= self.again:
            self._lately, self._since = set(), now
        new = self.keys - self._lately
        self._lately |= new
        self.keys = set()
        return new


class OnTheWay:
    """Rows that were put and are not written yet, bounded in number and bytes. Used in the event loop."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.bytes = 0  # of these and of those they replaced

    def has_room(self, size: int) -> bool:
        return len(self.rows) < QUEUED_ROWS and self.bytes + size <= QUEUED_BYTES

    def add(self, row: Row) -> None:
        self.bytes += row.size
        self.rows[row.key] = row

    def over(self, row: Row) -> None:
        """`row` is written, or will not be."""
        self.bytes -= row.size
        if self.rows.get(row.key) is row:
            del self.rows[row.key]


class Tally:
    """What one process counts. Plain numbers: written by one thread, read by any."""

    def __init__(self) -> None:
        self.evicted = self.expired = self.dropped = self.errors = 0


class Store(Protocol):
    """Every method is called in the event loop. None but `open`, `flush`, `stats` and `close` may take longer than a look-up."""

    name: str
    tally: Tally
    on_flush: Flushed  # another process has flushed (model, namespace); None: all
    on_replace: Replaced  # another process has written these keys anew

    async def open(self) -> None:
        """Never raises for a store that is down: it is tried again in the background."""

    async def close(self) -> None:
        """Writes what waits to be written, for a few seconds at most."""

    def may_have(self, key: bytes) -> bool:
        """False: it certainly has not. True: it may, or cannot know. In memory, without waiting."""

    async def get(self, key: bytes) -> Row | None:
        """The row, if it has not expired. Raises StoreDown."""

    def put(self, row: Row) -> None:
        """Returns at once; written in the background, dropped and counted where that fails. Replaces what is under the key."""

    def touch(self, key: bytes) -> None:
        """The row was used, though not read from here: it was in memory. Counts for what is thrown out first."""

    def discard(self, key: bytes) -> None:
        """Forget one row: its bytes were not what was written."""

    async def flush(self, model: str | None, namespace: str | None) -> int:
        """Remove the rows of `model` and `namespace` (None: of all), with their questions; how many. Raises StoreDown.

        Rows created before this moment that are still on their way, in any process, are not written afterwards.
        """

    async def stats(self) -> StoreStats:
        """Never raises: a store that is down says so."""

    async def ping(self) -> None:
        """Whether it answers. Raises StoreDown."""

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None:
        """Keep `data` for the semantic index of `partition`, as long as the row `key` is kept. Returns at once."""

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]:
        """(cursor, key, data) of the questions newer than the cursor `after` (0: from the first), oldest first. Raises StoreDown.

        At most QUESTIONS at once: ask again from the last cursor until there are none.
        """

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]:
        """Add to the counters of `name`, at once for all processes, and return all of them. Raises StoreDown.

        They are not bounded in time and outlive flushes: `name` must come from a bounded set.
        """


def alive(row: Row, ttl: float, now: float) -> bool:
    return now < row.expires and now < row.created + ttl


def matches(row: Row, model: str | None, namespace: str | None) -> bool:
    return (model is None or row.model == model) and (namespace is None or row.namespace == namespace)


def ignore(*_: object) -> None:
    """For `on_flush` and `on_replace` while nobody listens."""
