"""The answers that the gateway keeps: those being made, those that just came, and those in the stores.

An answer that came is first a draft: the engine's bytes. Making an entry of it (reading the events, both shapes) costs
more than forwarding it did, so that is done in the timer's spare time; whoever asks for it before gets it made at once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry

from server.cache import entry as entries
from server.cache.entry import Entry
from server.cache.flight import Flight, Flights
from server.cache.shapes import entry_from_stream, entry_from_whole, read_stream
from server.cache.stores.base import Row, StoreStats
from server.cache.stores.levels import Levels, open_store
from server.gateway.broadcast import Broadcast
from server.gateway.cache_metrics import CacheMetrics
from server.gateway.call import Call
from server.settings import Cache, Settings

if TYPE_CHECKING:
    from server.cache.semantic.serve import Asked

LEAST, SPARE = 0.0001, 0.1  # seconds of a tick for making entries, however busy the process is; share of its spare time
MOST_A_TICK = 100  # entries made at once: each is written too, which costs the store more than it cost us
TELL = 10  # ticks between two looks at what was counted
MOST_DRAFTS = 512
MOST_HELD = 32 * 2**20  # bytes of drafts; what comes beyond is not kept


class Draft(msgspec.Struct, eq=False):
    """A complete answer as the engine gave it."""

    key: bytes
    flight: Flight
    path: str
    model: str  # as clients call it
    namespace: str
    asked: Asked | None
    created: float


class Kept:
    """`clock` gives Unix seconds. `broadcast`: where several workers each have only their own memory."""

    def __init__(
        self,
        settings: Cache,
        levels: Levels,
        metrics: CacheMetrics,
        broadcast: Broadcast | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.levels = levels
        self.metrics = metrics
        self.secret = hashlib.sha256(settings.secret.encode()).digest() if settings.secret else b""
        self.clock = clock
        self.flights = Flights(settings.max_entry, paced=settings.replay == "paced")
        self.drafts: dict[bytes, Draft] = {}
        self.held = 0
        self.broadcast = broadcast
        self.ticks = 0
        self.ticked = time.perf_counter(), time.process_time()
        self.learn: Callable[[Asked, Entry], None] | None = None  # the semantic cache's
        told = levels.store.on_flush  # the levels' own

        def flushed_elsewhere(model: str | None, namespace: str | None) -> None:
            self.forget(model, namespace)
            told(model, namespace)

        levels.store.on_flush = flushed_elsewhere

    def now(self, key: bytes) -> Entry | None:
        """What is in memory."""
        if key in self.drafts:
            return self._settle(self.drafts[key])
        row = self.levels.get_now(key)
        return self._read(row) if row is not None else None

    async def get(self, key: bytes) -> Entry | None:
        """What is in the store, or came meanwhile."""
        began = time.perf_counter()
        row = await self.levels.get(key)
        self.metrics.store_timed(time.perf_counter() - began)
        return (self._read(row) if row is not None else None) or self.now(key)

    def _read(self, row: Row) -> Entry | None:
        found = entries.decode(row.key, row.value, self.secret)
        if found is None:
            self.metrics.events["poisoned"] += 1
            self.levels.discard(row.key)
        return found

    def keep(self, call: Call, flight: Flight) -> None:
        """Take the answer that has come for a request."""
        size = flight.held
        if len(self.drafts) >= MOST_DRAFTS or self.held + size > MOST_HELD:
            self.metrics.events["dropped"] += 1
            return
        old = self.drafts.pop(flight.key, None)
        self.held += size - (old.flight.held if old is not None else 0)
        self.drafts[flight.key] = self._draft(call, flight)

    def _draft(self, call: Call, flight: Flight) -> Draft:
        assert call.control is not None
        assert call.target is not None
        return Draft(flight.key, flight, call.path, call.target.name, call.control.namespace, call.asked, self.clock())

    def put(self, key: bytes, entry: Entry) -> None:
        """Store an entry, in memory at once."""
        value = entries.encode(key, entry, self.secret)
        if len(value) > self.settings.max_entry:
            self.metrics.events["dropped"] += 1
            return
        self.metrics.events["stored"] += 1
        self.levels.put(Row(key, value, entry.model, entry.namespace, entry.created, entry.created + self.settings.ttl))

    def entry(self, call: Call, flight: Flight) -> Entry | None:
        """The entry of a flight that has just ended, for those who waited; made once for all of them."""
        if not flight.read_out:
            flight.read_out = True
            flight.entry = entry_of(self._draft(call, flight))
        return flight.entry

    def _settle(self, draft: Draft) -> Entry | None:
        """Make the entry of a draft and store it. None: the answer was not complete after all."""
        del self.drafts[draft.key]
        self.held -= draft.flight.held
        entry = draft.flight.entry if draft.flight.read_out else entry_of(draft)
        if entry is not None:
            self.put(draft.key, entry)
            if self.learn is not None and draft.asked is not None:
                self.learn(draft.asked, entry)
        return entry

    def tick(self) -> None:
        """Make entries of drafts in a part of the time that this process had left since the last tick."""
        now, used = time.perf_counter(), time.process_time()
        spare = (now - self.ticked[0]) - (used - self.ticked[1])
        self.ticked = now, used
        until = now + max(LEAST, spare * SPARE)
        for key in list(islice(self.drafts, MOST_A_TICK)):
            self._settle(self.drafts[key])
            if time.perf_counter() > until:
                break
        if self.broadcast is not None:
            for model, namespace in self.broadcast.heard():
                self.forget(model, namespace)
        self.ticks += 1
        if self.ticks % TELL == 0:
            self.tell()

    def tell(self) -> None:
        """Hand what was counted over to the metrics."""
        metrics, memory, store, counters = self.metrics, self.levels.memory, self.levels.store.tally, self.levels.counters
        metrics.memory_bytes.set(memory.bytes)
        metrics.memory_entries.set(len(memory))
        for event, count in (
            ("evicted", store.evicted),
            ("expired", store.expired),
            ("dropped by the store", store.dropped),
            ("store error", store.errors),
            ("store slow", counters.slow),
            ("store down", counters.down),
        ):
            metrics.total(event, count)
        metrics.flush()

    async def stats(self) -> StoreStats:
        """What the store holds, for the metrics too."""
        held = await self.levels.stats()
        self.metrics.store_up.set(held.up)
        self.metrics.store_bytes.set(held.bytes)
        self.metrics.store_entries.set(held.entries)
        self.tell()
        return held

    async def close(self) -> None:
        while self.drafts:
            self._settle(next(iter(self.drafts.values())))
        await self.levels.close()

    def forget(self, model: str | None, namespace: str | None) -> int:
        """Drop what this worker holds of `model` and `namespace` (None: of all), and what is being made now."""
        self.flights.epoch += 1
        gone = [d for d in self.drafts.values() if (model is None or d.model == model) and (namespace is None or d.namespace == namespace)]
        for draft in gone:
            del self.drafts[draft.key]
            self.held -= draft.flight.held
        return len(gone) + self.levels.memory.flush(model, namespace)

    async def flush(self, model: str | None, namespace: str | None) -> int:
        """Remove the answers of `model` and `namespace`, everywhere; how many the store had. Raises StoreDown."""
        gone = self.forget(model, namespace)
        if self.broadcast is not None:
            self.broadcast.tell(model, namespace)
        return max(gone, await self.levels.flush(model, namespace))


def entry_of(draft: Draft) -> Entry | None:
    """The entry of an answer; None where it is not complete."""
    flight = draft.flight
    if flight.whole is not None:
        return entry_from_whole(
            draft.path,
            flight.whole.body,
            created=draft.created,
            model=draft.model,
            namespace=draft.namespace,
            engine_seconds=flight.took,
        )
    reads = list(zip(accumulate(map(len, flight.chunks)), flight.times, strict=True)) if flight.times else ()
    recorded = read_stream(draft.path, b"".join(flight.chunks), reads)
    if recorded is None:
        return None
    return entry_from_stream(
        draft.path, recorded, created=draft.created, model=draft.model, namespace=draft.namespace, engine_seconds=flight.took
    )


def open_kept(settings: Settings, registry: CollectorRegistry, state_path: Path | None) -> Kept | None:
    """What the configuration says; None where the cache is off. Raises ConfigError."""
    cache, gateway = settings.cache, settings.gateway
    if cache.store == "off":
        return None
    levels = open_store(cache.store, gateway.data_dir, cache.max_bytes, cache.ttl, time.time, cache.memory)
    alone = cache.store != "memory" or gateway.workers == 1 or state_path is None
    broadcast = None if alone or state_path is None else Broadcast(state_path.parent / "flushes")
    return Kept(cache, levels, CacheMetrics(registry), broadcast)
