"""The store in a Valkey or Redis server, shared by gateways on several machines.

Bytes and last use are counted by scripts of ours (scripts.py), since a server's `maxmemory` bounds all that is in it, and by
another measure. Keys that wait are looked up in one exchange; rows are written in batches. What others write and flush is read
from a stream ten times a second.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from server.cache.stores.base import (
    QUESTIONS,
    QUEUED_ROWS,
    TOUCH_AGAIN,
    TOUCH_EVERY,
    Clock,
    Flushed,
    Group,
    OnTheWay,
    Replaced,
    Row,
    StoreDown,
    StoreStats,
    Tally,
    Touched,
    alive,
    ignore,
)
from server.cache.stores.filter import KeyFilter
from server.cache.stores.packing import ROOM, pack_names, put_words, unpack, unpack_names
from server.cache.stores.runner import Runner
from server.cache.stores.server import PREFIX, Server, call

MOST_KEYS = 64  # looked up in one exchange
BATCH_JOBS, BATCH_BYTES = 200, 4 * 2**20  # written in one exchange
NOTICE = 0.1  # seconds between looks at what others have changed
RETRY = 1.0  # seconds until a server that is down is asked again
HOUSEKEEPING = 10  # looks between two sweeps of what is past its time
CHANGES = SCAN = 2000  # changes and keys read at once
REMOVED_AT_ONCE = 200
LARGEST_SHARE = 4  # a row above a quarter of the store is not kept
CLOSING = 5.0  # seconds

Job = tuple[tuple[Any, ...] | None, Row | None]  # the words of a command, or a row to put

log = logging.getLogger("sllm")


class Valkey:
    """Raises ConfigError for a `url` that cannot be one, and where the client package is missing."""

    name = "valkey"

    def __init__(
        self, url: str, max_bytes: int, ttl: float, clock: Clock, touch_every: float = TOUCH_EVERY, touch_again: float = TOUCH_AGAIN
    ) -> None:
        self.max_bytes = max_bytes
        self.ttl = ttl
        self.clock = clock
        self.up = False
        self.tally = Tally()
        self.on_flush: Flushed = ignore
        self.on_replace: Replaced = ignore
        self._server = Server(url)
        self._process = secrets.token_bytes(8)
        self._filter = KeyFilter()
        self._asked: deque[tuple[bytes, asyncio.Future[Row | None]]] = deque()
        self._jobs: deque[Job] = deque()
        self._on_the_way = OnTheWay()
        self._touched = Touched(touch_again)
        self._touch_every = touch_every
        self._reader = Runner(self._look_up_all)
        self._writer = Runner(self._write_all)
        self._loader = Runner(self._load_keys)
        self._change = 0  # the number of the last change seen
        self._epoch: bytes | None = None  # of the server's data: another one, and all is different
        self._said = False
        self._notices: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            await self._look()
        except StoreDown as error:
            self._went_down(error)
        self._notices = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        if self._notices is not None:
            self._notices.cancel()
            await asyncio.gather(self._notices, return_exceptions=True)
        if self.up:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._writer.over(), CLOSING)
        self.up = False
        await self._reader.cancel()
        await self._writer.cancel()
        await self._loader.cancel()
        self._fail_asked(StoreDown("the store is closed"))
        await self._server.close()

    async def ping(self) -> None:
        await self._server.command("PING")
        if not self.up:
            raise StoreDown(f"{self._server.address} is being asked again")

    def may_have(self, key: bytes) -> bool:
        return self._filter.may_have(key)

    async def get(self, key: bytes) -> Row | None:
        row = self._on_the_way.rows.get(key)
        if row is None:
            if not self.up:
                raise StoreDown(f"{self._server.address} does not answer")
            future: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
            self._asked.append((key, future))
            self._reader.start()
            row = await future
            if row is None:
                return None
        if not alive(row, self.ttl, self.clock()):
            return None
        self.touch(key)
        return row

    def put(self, row: Row) -> None:
        if not self.up or not self._on_the_way.has_room(row.size) or len(row.value) > self.max_bytes // LARGEST_SHARE:
            self.tally.dropped += 1
            return
        self._on_the_way.add(row)
        self._filter.add(row.key)
        self._enqueue(None, row)

    def touch(self, key: bytes) -> None:
        keys = self._touched.keys
        if not keys:
            asyncio.get_running_loop().call_later(self._touch_every, self._hand_over_touched)
        keys.add(key)

    def discard(self, key: bytes) -> None:
        self._on_the_way.rows.pop(key, None)
        self._enqueue(call("remove", key))

    async def flush(self, model: str | None, namespace: str | None) -> int:
        await self._writer.over()
        await self._server.run("note_flush", pack_names(model, namespace), repr(self.clock()), self._process)
        await self._writer.over()  # what this process put meanwhile
        count = 0
        for group in await self._groups():
            names = unpack_names(group)
            if model in (None, names[0]) and namespace in (None, names[1]):
                while removed := await self._server.run("flush_group", group, REMOVED_AT_ONCE):
                    count += removed
        return count

    async def stats(self) -> StoreStats:
        tally = self.tally
        groups: list[Group] = []
        try:
            sizes = await self._groups()
            counts = await self._commands([("SCARD", PREFIX + b"g:" + group) for group in sizes])
            for (group, size), count in zip(sizes.items(), counts, strict=True):
                model, namespace = unpack_names(group)
                groups.append(Group(model or "", namespace or "", count, int(size)))
            total = int(await self._server.command("GET", PREFIX + b"bytes") or 0)
            questions = int(await self._server.command("GET", PREFIX + b"questions") or 0)
        except StoreDown:
            return StoreStats(
                self.name, False, 0, 0, self.max_bytes, (), 0, tally.evicted, tally.expired, tally.dropped, tally.errors
            )  # fmt: skip
        groups.sort(key=lambda group: (group.model, group.namespace))
        return StoreStats(
            self.name, True, sum(group.entries for group in groups), total, self.max_bytes, tuple(groups), questions,
            tally.evicted, tally.expired, tally.dropped, tally.errors,
        )  # fmt: skip

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None:
        if not self.up or len(self._jobs) >= QUEUED_ROWS:
            self.tally.dropped += 1
            return
        self._enqueue(call("put_question", partition, key, data, ROOM, self.max_bytes, int(self.clock() * 1000)))

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]:
        await self._writer.over()
        found = await self._server.command(
            "ZRANGEBYSCORE", PREFIX + b"q:" + partition, f"({after}", "+inf", "WITHSCORES", "LIMIT", 0, QUESTIONS
        )
        if not found:
            return []
        keys, cursors = found[::2], [int(score) for score in found[1::2]]
        data = await self._server.command("HMGET", PREFIX + b"d:" + partition, *keys)
        return [(cursor, key, value) for cursor, key, value in zip(cursors, keys, data, strict=True) if value is not None]

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]:
        at = PREFIX + b"c:" + name
        *_, totals = await self._commands([*(("HINCRBY", at, field, count) for field, count in counts.items()), ("HGETALL", at)])
        pairs = totals.items() if isinstance(totals, dict) else zip(totals[::2], totals[1::2], strict=True)
        return {field.decode(): int(count) for field, count in pairs}

    # looking up

    async def _look_up_all(self) -> None:
        while self._asked:
            batch = [self._asked.popleft() for _ in range(min(MOST_KEYS, len(self._asked)))]
            batch = [asked for asked in batch if not asked[1].done()]  # not those that have given up
            if not batch:
                continue
            try:
                values = await self._server.command("MGET", *(PREFIX + b"e:" + key for key, _ in batch))
            except StoreDown as error:
                self._asked.extendleft(batch)
                self._went_down(error)
                return
            for (key, future), value in zip(batch, values, strict=True):
                if not future.done():
                    future.set_result(None if value is None else self._row(key, value))

    def _row(self, key: bytes, value: bytes) -> Row | None:
        try:
            return unpack(key, value)
        except msgspec.DecodeError:  # somebody else has written there
            self.tally.errors += 1
            self.discard(key)
            return None

    def _fail_asked(self, error: StoreDown) -> None:
        while self._asked:
            _, future = self._asked.popleft()
            if not future.done():
                future.set_exception(error)

    # writing

    def _enqueue(self, words: tuple[Any, ...] | None, row: Row | None = None) -> None:
        self._jobs.append((words, row))
        self._writer.start()

    def _hand_over_touched(self) -> None:
        now = self.clock()
        keys = self._touched.take(now)
        if keys and self.up:
            self._enqueue(("ZADD", PREFIX + b"used", "XX", *(word for key in keys for word in (repr(now), key))))

    async def _write_all(self) -> None:
        while self._jobs:
            batch: list[Job] = []
            size = 0
            while self._jobs and len(batch) < BATCH_JOBS and size < BATCH_BYTES:
                words, row = self._jobs.popleft()
                if row is not None:
                    words = put_words(row, self.clock(), self.ttl, self.max_bytes, self._process)
                    size += len(row.value)
                batch.append((words, row))
            answers: list[Any]
            try:
                answers = await self._server.commands([words for words, _ in batch if words is not None])
            except StoreDown as error:
                self._went_down(error)
                answers = [error] * len(batch)
            for (_, row), answer in zip(batch, answers, strict=True):
                self._settle(row, answer)

    def _settle(self, row: Row | None, answer: Any) -> None:
        failed = isinstance(answer, BaseException)
        if failed and not isinstance(answer, StoreDown):
            self.tally.errors += 1
            self._say(f"{self._server.address} takes no rows: {answer}")
        if row is None:
            return
        self._on_the_way.over(row)
        if failed or answer < 0:
            self.tally.dropped += 1
        else:
            self.tally.evicted += answer

    # what others have changed

    async def _keep_looking(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(NOTICE if self.up else RETRY)
            try:
                await self._look()
                looks += 1
                if self.up and looks % HOUSEKEEPING == 0:
                    await self._keep_house()
            except StoreDown as error:
                self._went_down(error)
            except Exception as error:
                log.exception("cache: %s", self._server.address)
                self._went_down(StoreDown(str(error)))

    async def _look(self) -> None:
        """Whether it is there, and what is new. Raises StoreDown."""
        epoch, change, changes = await self._changes()
        numbers = [int(number.partition(b"-")[0]) for number, _ in changes]
        if epoch != self._epoch or change < self._change or (numbers and numbers[0] > self._change + 1):
            await self._begin(epoch, change)
        else:
            self._read(changes)
            self._change = numbers[-1] if numbers else self._change
        self._came_up()

    async def _changes(self) -> tuple[bytes, int, list[Any]]:
        at = PREFIX + b"changes"
        ask = [("GET", PREFIX + b"epoch"), ("GET", PREFIX + b"change"), ("XRANGE", at, f"({self._change}-0", "+", "COUNT", CHANGES)]
        epoch, change, changes = await self._commands(ask)
        if epoch is None:
            await self._server.command("SET", PREFIX + b"epoch", secrets.token_bytes(8), "NX")
            epoch, change, changes = await self._commands(ask)
        return epoch, int(change or 0), changes

    def _read(self, changes: Sequence[Any]) -> None:
        """Each is a number and its fields: `k` the key written or `f` the names flushed, and `w` who did."""
        keys: list[bytes] = []
        for _, fields in changes:
            kind, what, _, process = fields if isinstance(fields, list) else [word for pair in fields.items() for word in pair]
            if process == self._process:
                continue
            if kind == b"f":
                self.on_flush(*unpack_names(what))
            else:
                self._filter.add(what)
                keys.append(what)
        if keys:
            self.on_replace(keys)

    async def _begin(self, epoch: bytes, change: int) -> None:
        """Other data than before: nothing that was known holds. The keys are read in the background."""
        if self._epoch is not None:
            self.on_flush(None, None)
        self._epoch, self._change = epoch, change
        self._filter.forget()
        await self._build_filter()

    async def _build_filter(self) -> None:
        await self._loader.cancel()
        self._filter.begin(int(await self._server.command("HLEN", PREFIX + b"rows")), self._on_the_way.rows)
        self._loader.start()

    async def _load_keys(self) -> None:
        with suppress(StoreDown):  # then every key may be there, until the next try
            cursor = b"0"
            while True:
                cursor, found = await self._server.command("ZSCAN", PREFIX + b"used", cursor, "COUNT", SCAN)
                for key, *_ in found if found and isinstance(found[0], tuple) else zip(found[::2], strict=False):
                    self._filter.load(key)
                if int(cursor) == 0:
                    break
            self._filter.finish()

    async def _keep_house(self) -> None:
        self.tally.expired += await self._server.run("expire", repr(self.clock()), REMOVED_AT_ONCE)
        if self._filter.crowded:
            await self._build_filter()

    # up and down

    def _went_down(self, error: StoreDown) -> None:
        self.up = False
        self.tally.errors += 1
        self._fail_asked(error)
        self._say(f"{error}; requests go on without it, and it is tried again")

    def _came_up(self) -> None:
        if self._said:
            log.warning("cache: %s is in use again", self._server.address)
            self._said = False
        self.up = True

    def _say(self, sentence: str) -> None:
        if not self._said:
            log.warning("cache: %s", sentence)
            self._said = True

    async def _commands(self, many: Sequence[Sequence[Any]]) -> list[Any]:
        """All of them answered. Raises StoreDown."""
        answers = await self._server.commands(many)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise StoreDown(f"{self._server.address}: {answer}")
        return answers

    async def _groups(self) -> dict[bytes, bytes]:
        found = await self._server.command("HGETALL", PREFIX + b"groups")
        return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
