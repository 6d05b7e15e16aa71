"""The partitions and shelves in this worker's memory, and their other half in the store that all workers share."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from server.cache.semantic.embedders.base import Vector
from server.cache.semantic.partition import Partition
from server.cache.semantic.shelf import Observed, Shelf, pack, unpack
from server.cache.stores.base import StoreDown

DEADLINE = 0.05  # seconds that a look-up waits for the store
RENEW = 1.0  # seconds until other workers' questions and counts are looked for again
MOST_PARTITIONS = 256
MOST_SHELVES = 4096  # in one partition; every conversation has one of its own
EVERY = 64  # new questions, after which all of a partition are counted
AT_ONCE = 100  # rows that are put in without a pause: about 1 ms

log = logging.getLogger("sllm")


class Storage(Protocol):
    """The part of server/cache/stores that is used here."""

    def put_question(self, partition: bytes, key: bytes, data: bytes, model: str, namespace: str) -> None: ...

    async def questions(self, partition: bytes, after: int) -> list[tuple[int, bytes, bytes]]: ...

    async def add_counts(self, name: bytes, counts: Mapping[str, int]) -> Mapping[str, int]: ...


class Partitions:
    """`most`: questions held for one partition; the oldest of its least used shelf goes first. `clock`: seconds that only rise."""

    def __init__(self, storage: Storage, limit: float, calibrated: float | None, most: int, clock: Callable[[], float]) -> None:
        self.storage = storage
        self.limit = limit
        self.calibrated = calibrated
        self.most = most
        self.clock = clock
        self.held: OrderedDict[bytes, Partition] = OrderedDict()  # used longest ago first
        self._puts = 0
        self._running: dict[tuple[str, bytes], asyncio.Task[None]] = {}

    def partition(self, identity: bytes, model: str, namespace: str) -> Partition:
        found = self.held.get(identity)
        if found is None:
            found = self.held[identity] = Partition(identity, model, namespace, self.limit, self.calibrated)
            while len(self.held) > MOST_PARTITIONS:
                self.held.popitem(last=False)
        self.held.move_to_end(identity)
        return found

    def shelf(self, partition: Partition, identity: bytes) -> Shelf:
        found = partition.shelves.get(identity)
        if found is None:
            found = partition.shelves[identity] = Shelf()
        partition.shelves.move_to_end(identity)
        if len(partition.shelves) > MOST_SHELVES:
            partition.shelves.popitem(last=False)  # it is read from the store when it is asked for again
        return found

    async def ready(self, partition: Partition, identity: bytes, shelf: Shelf) -> None:
        """Read both from the store if that was not done yet, for as long as the deadline allows; else see that they are renewed."""
        now = self.clock()
        waits = []
        if now - partition.looked > RENEW:
            task = self.exchange(partition)
            waits += [] if partition.known else [task]
        if now - shelf.looked > RENEW:
            task = self._once(("shelf", identity), self._load(partition, identity, shelf))
            waits += [] if shelf.loaded else [task]
        if waits:
            await asyncio.wait(waits, timeout=DEADLINE)

    def exchange(self, partition: Partition) -> asyncio.Task[None]:
        """Tell the store what was counted here, and read what was counted everywhere."""
        return self._once(("counts", partition.identity), self._exchange(partition))

    def put(self, partition: Partition, identity: bytes, shelf: Shelf, key: bytes, text: str, vector: Vector) -> None:
        """A new question, into memory and the store."""
        shelf.add([(key, text, vector, {})])
        self.storage.put_question(identity, key, pack(text, vector, shelf.observed.get(key, {})), partition.model, partition.namespace)
        self._puts += 1
        if len(shelf) > self.most or self._puts % EVERY == 0:
            self._bound(partition)

    def note(self, partition: Partition, identity: bytes, key: bytes, index: int, right: bool) -> None:
        """What was observed of the answer under `key`, kept with its question."""
        shelf = partition.shelves.get(identity)
        if shelf is None or key not in shelf.texts:
            return
        observed: Observed = dict(shelf.observed.get(key, {}))
        yes, no = observed.get(index, (0, 0))
        observed[index] = (yes + right, no + (not right))
        shelf.observed[key] = observed
        self.storage.put_question(identity, key, shelf.packed(key), partition.model, partition.namespace)

    def forget(self, model: str | None, namespace: str | None) -> None:
        """Drop the questions of `model` and `namespace` (None: of all); what was counted stays."""
        for partition in self.held.values():
            if (model is None or partition.model == model) and (namespace is None or partition.namespace == namespace):
                partition.shelves.clear()

    async def settled(self) -> None:
        """Wait until nothing is on its way to or from the store."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self) -> None:
        """Tell the store what it does not know yet."""
        await self.settled()
        for partition in self.held.values():
            if partition.unsent:
                await self._exchange(partition)

    async def _exchange(self, partition: Partition) -> None:
        counts = partition.send()
        try:
            totals = await self.storage.add_counts(b"semantic:" + partition.identity, counts)
        except StoreDown:
            partition.not_sent()
        except BaseException:
            partition.not_sent()
            raise
        else:
            partition.read(totals)
        partition.looked = self.clock()

    async def _load(self, partition: Partition, identity: bytes, shelf: Shelf) -> None:
        """Read what the store has beyond the cursor, page by page; other requests go on in between."""
        try:
            while rows := await self.storage.questions(identity, shelf.cursor):
                for start in range(0, len(rows), AT_ONCE):
                    page = rows[start : start + AT_ONCE]
                    shelf.add((key, *question) for _, key, data in page if (question := unpack(data)) is not None)
                    await asyncio.sleep(0)
                shelf.cursor = rows[-1][0]
                self._bound(partition)
            shelf.loaded = True
        except StoreDown:
            pass
        shelf.looked = self.clock()

    def _bound(self, partition: Partition) -> None:
        over = partition.questions - self.most
        for shelf in list(partition.shelves.values()) if over > 0 else ():
            while over > 0 and len(shelf):
                shelf.remove(shelf.oldest())
                over -= 1

    def _once(self, name: tuple[str, bytes], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """`work` as a task, unless the same is running."""
        running = self._running.get(name)
        if running is not None:
            work.close()
            return running
        task = self._running[name] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._ended(name, done))
        return task

    def _ended(self, name: tuple[str, bytes], task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the semantic cache and its store: %s", error)
