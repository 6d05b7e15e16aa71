"""Finds a kept answer to a question that means the same, decides whether it is served, and learns from what comes.

    asked = semantic.ask(...)                  what is kept of a request on its way; None: it has no question
    found = await semantic.find(asked, ...)    an answer to serve, or None: the engine is asked
    semantic.learn(asked, entry)               its fresh answer

Nothing here raises towards a request: an embedder or a store that is slow or down is a miss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from server.cache.entry import Entry
from server.cache.identity import Identity, Origin
from server.cache.semantic.audit import Audits, Comparison, Generate, Idle, Outcome
from server.cache.semantic.embedders.base import Embedder, Vector
from server.cache.semantic.embedding import Embedding
from server.cache.semantic.gates import check
from server.cache.semantic.gates.answer import fits as answer_fits
from server.cache.semantic.measures import Measures
from server.cache.semantic.partition import Partition
from server.cache.semantic.partitions import Partitions, Storage
from server.cache.semantic.question import partition_of, shelf_of
from server.cache.semantic.shelf import Shelf
from server.cache.semantic.threshold import bin_of, explore
from server.cache.shapes import entry_from_whole, text_of
from server.errors import StartError

if TYPE_CHECKING:
    from server.settings import Semantic as Settings

CANDIDATES = 4  # that the gates look at
BELOW = 0.1  # so far below the threshold a similar question is compared with its fresh answer, to learn from
UNCALIBRATED_FLOOR = 0.7
FIRST = 20  # audits of a partition, before which every hit is audited: a threshold that does not suit it shows at once

log = logging.getLogger("sllm")


class Asked:
    """A request on its way: its question, and what the look-up found out about it."""

    def __init__(self, identity: Identity, text: str, partition: Partition, shelf: bytes, target: str, path: str, body: bytes) -> None:
        self.key = identity.key
        self.text = text
        self.partition = partition
        self.shelf = shelf
        self.target = target
        self.path = path
        self.body = body
        self.looking: asyncio.Task[None] | None = None  # a look-up that nobody waits for
        self.embedding: asyncio.Task[Vector | None] | None = None
        self.candidate: bytes | None = None  # whose answer will be held against the fresh one
        self.kept = ""  # that answer's text
        self.similarity = 0.0
        self.counts = False  # it would have been served


class Semantic:
    """`get` gives the kept entry under a key if it is fresh; `gone` says that there is certainly none.

    `audited` is told of each comparison that counts: model, whether the kept answer was wrong, the partition's bound.
    `clock` gives seconds that only rise, `random` numbers in [0, 1).
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder,
        storage: Storage,
        get: Callable[[bytes], Awaitable[Entry | None]],
        gone: Callable[[bytes], bool],
        generate: Generate,
        idle: Idle,
        measures: Measures,
        audited: Callable[[str, bool, float], None],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.serves = settings.mode == "serve"
        self.measures = measures
        self.floor = settings.threshold - BELOW if settings.threshold is not None else UNCALIBRATED_FLOOR
        self.embedding = Embedding(embedder, settings.deadline, measures, clock)
        self.measure = f"{embedder.name} {settings.threshold} {settings.max_false_hit_rate}"
        self.partitions = Partitions(storage, settings.max_false_hit_rate, settings.threshold, settings.max_questions, clock)
        self.audits = Audits(settings.judge, generate, idle, read_text, self._decided)
        self.get = get
        self.gone = gone
        self.audited = audited
        self.random = random
        self.ready = False
        self.problem = ""  # why the embedder did not start
        self._opening: asyncio.Task[None] | None = None
        self._learning: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to load the embedder; until it is there, every question is a miss."""
        if self.serves and self.settings.judge is None:
            log.warning(
                "cache.semantic.judge is not set: a fresh answer that differs in a word counts as a false hit, so semantic serving will "
                "turn itself off for all but short, fixed answers. Name a served model that compares them."
            )
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            await self.embedding.embedder.open()
        except StartError as error:
            self.problem = error.message
        except Exception as error:
            self.problem = f"The embedder '{self.settings.embedder}' does not start: {type(error).__name__}: {str(error)[:200]}"
        else:
            self.ready = True
            return
        log.error("%s Semantic caching is off until the gateway is started again.", self.problem)

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self.audits.close()
        await self.embedding.close()
        await asyncio.gather(*self._learning, return_exceptions=True)
        await self.partitions.close()

    async def settled(self) -> None:
        """Wait until the embedder is there, and all that was learnt is in its place."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
        while self._learning:
            await asyncio.wait(set(self._learning))
        await self.audits.settled()
        await self.partitions.settled()

    def ask(self, identity: Identity, origin: Origin, target: str, path: str, body: bytes) -> Asked | None:
        """What is to be known of a request for look-up and learning; None: it is not compared by meaning.

        `target` is the name that was asked for, `body` what its engine gets.
        """
        question = identity.semantic
        if question is None:
            return None
        identifier = partition_of(origin, self.measure)
        partition = self.partitions.partition(identifier, origin.model, origin.namespace)
        return Asked(identity, question.text, partition, shelf_of(identifier, question.fingerprint), target, path, body)

    async def find(self, asked: Asked, usable: Callable[[Entry], bool], keeps: bool = True) -> Entry | None:
        """The kept answer to serve, or None. `usable` says whether an entry is fresh enough and has the shape for this request.

        `keeps`: the request may be kept for an audit. Never raises; waits for the embedder's deadline and the store's.
        """
        partition = asked.partition
        asked.embedding = self.embedding.start(asked.text) if self.ready else None
        vector = await self.embedding.within_deadline(asked.embedding) if asked.embedding is not None else None
        if vector is None:
            return self._miss(partition, "unembedded")
        shelf = self.partitions.shelf(partition, asked.shelf)
        await self.partitions.ready(partition, asked.shelf, shelf)
        found = await self._candidate(asked, shelf, vector, usable)
        if isinstance(found, str):
            return self._miss(partition, found)
        key, similarity, entry, text = found
        asked.candidate, asked.similarity, asked.kept = key, similarity, text
        wrong = partition.curve(key, shelf.observed.get(key, {})).wrong(similarity)
        if self.random() < explore(wrong, partition.limit):
            return self._miss(partition, "explore")
        asked.counts = True
        if not self.serves:
            return self._miss(partition, "shadow")
        if not partition.may_serve:
            return self._miss(partition, "off")
        self._count(partition, "served")
        if keeps and (partition.audits < FIRST or self.random() < self.settings.audit_share):
            self.audits.offer(self._comparison(asked, None))
        return entry

    def watch(self, asked: Asked, usable: Callable[[Entry], bool]) -> None:
        """`find` beside the request, which goes to its engine at once: shadow mode costs no time."""

        async def look() -> None:
            await self.find(asked, usable)

        asked.looking = self._beside(look())

    def learn(self, asked: Asked, entry: Entry) -> None:
        """The fresh answer of a request that was not served: one more question, and a comparison where there was a candidate."""
        if not entry.natural_end:
            return
        if asked.embedding is None and self.ready and (asked.looking is None or asked.looking.done()):
            asked.embedding = self.embedding.start(asked.text)
        pending = [task for task in (asked.looking, asked.embedding) if task is not None and not task.done()]
        if pending:
            self._beside(self._learn_after(pending, asked, entry))
        else:
            self._learn(asked, entry)

    async def _learn_after(self, pending: list[asyncio.Task[Any]], asked: Asked, entry: Entry) -> None:
        await asyncio.wait(pending)
        if asked.embedding is not None and not asked.embedding.done():  # begun by the look-up, which did not wait for it
            await asyncio.wait({asked.embedding})
        self._learn(asked, entry)

    def _learn(self, asked: Asked, entry: Entry) -> None:
        if asked.candidate is not None:
            self.audits.offer(self._comparison(asked, text_of(entry)))
        vector = asked.embedding.result() if asked.embedding is not None and not asked.embedding.cancelled() else None
        if vector is not None:
            shelf = self.partitions.shelf(asked.partition, asked.shelf)
            self.partitions.put(asked.partition, asked.shelf, shelf, asked.key, asked.text, vector)
            self.measures.questions.set(sum(partition.questions for partition in self.partitions.held.values()))

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)
        return task

    def report(self) -> dict[str, Any]:
        """For /admin/cache: the mode, why the embedder did not start, and each partition in this worker's memory."""
        return {"mode": self.settings.mode, "ready": self.ready, "problem": self.problem or None, "partitions": self._partitions()}

    def _partitions(self) -> list[dict[str, Any]]:
        return [
            {
                "partition": partition.identity.hex()[:16],
                "model": partition.model,
                "namespace": partition.namespace,
                "serving": self.serves and partition.may_serve,
                "questions": partition.questions,
                "audits": partition.audits,
                "false_hits": partition.wrong,
                "false_hit_bound": round(partition.measured, 5),
                "deciding_bound": round(partition.bound, 5),
                "max_false_hit_rate": partition.limit,
                "threshold": partition.calibrated,
            }
            for partition in self.partitions.held.values()
        ]

    async def _candidate(
        self, asked: Asked, shelf: Shelf, vector: Vector, usable: Callable[[Entry], bool]
    ) -> tuple[bytes, float, Entry, str] | str:
        """The nearest question whose answer may be given: key, similarity, entry, its text; or the word for why there is none."""
        refused = False
        for similarity, key in shelf.nearest(vector, self.floor, CANDIDATES):
            text = shelf.texts.get(key)
            if key == asked.key or text is None:
                continue
            verdict = check(asked.text, text)
            gate = verdict.gate
            if verdict.passed:
                entry = await self.get(key)
                if entry is None:
                    if self.gone(key):
                        shelf.remove(key)
                    continue
                if not self._fit(asked, entry) or not usable(entry):
                    continue
                answer = text_of(entry)
                if answer_fits(asked.text, answer) is None:
                    return key, similarity, entry, answer
                gate = "answer"
            refused = True
            self.measures.gates.labels(gate).inc()
        return "gate" if refused else "none"

    def _fit(self, asked: Asked, entry: Entry) -> bool:
        """The index may be older than the store, and the store is no place to trust: what an entry says of itself is looked at again."""
        partition = asked.partition
        return entry.natural_end and entry.model == partition.model and entry.namespace == partition.namespace

    def _comparison(self, asked: Asked, fresh: str | None) -> Comparison:
        assert asked.candidate is not None
        return Comparison(
            asked.partition.identity, asked.shelf, asked.candidate, asked.similarity, asked.counts,
            asked.target, asked.path, asked.body if fresh is None else b"", asked.text, asked.kept, fresh,
        )  # fmt: skip

    def _decided(self, comparison: Comparison, outcome: Outcome) -> None:
        partition = self.partitions.held.get(comparison.partition)
        if partition is None:
            return
        self.measures.comparisons.labels(partition.model, outcome).inc()
        if outcome not in ("right", "wrong"):
            return
        right = outcome == "right"
        partition.note(comparison.similarity, right, comparison.counts)
        self.partitions.note(partition, comparison.shelf, comparison.key, bin_of(comparison.similarity), right)
        self.partitions.exchange(partition)
        if comparison.counts:
            self.audited(partition.model, not right, partition.bound)
        self._announce(partition)

    def _announce(self, partition: Partition) -> None:
        """Say when a partition is turned off or on."""
        may = partition.may_serve
        if not self.serves or may == partition.serving or not partition.known:
            return
        before, partition.serving = partition.serving, may
        if before is None and may:
            return
        self.measures.off.labels(partition.model).set(
            sum(other.serving is False and other.model == partition.model for other in self.partitions.held.values())
        )
        name = f"model '{partition.model}'" + (f", namespace '{partition.namespace}'" if partition.namespace else "")
        facts = f"{partition.wrong} of {partition.audits} audited answers were wrong, so up to {partition.bound:.2%} may be"
        if may:
            log.warning(
                "Semantic serving is on for %s (%s): %s; the limit is %.2f%%.", name, self._short(partition), facts, partition.limit * 100
            )
        else:
            log.warning(
                "Semantic serving is OFF for %s (%s): %s; the limit is %.2f%%. Its questions go to the engine until the bound is below it.",
                name, self._short(partition), facts, partition.limit * 100,
            )  # fmt: skip

    @staticmethod
    def _short(partition: Partition) -> str:
        return partition.identity.hex()[:16]

    def _miss(self, partition: Partition, decision: str) -> Entry | None:
        self._count(partition, decision)
        return None

    def _count(self, partition: Partition, decision: str) -> None:
        self._announce(partition)
        self.measures.decisions.labels(partition.model, decision).inc()


def read_text(path: str, body: bytes) -> str | None:
    """The text of a whole answer; None where it is not complete, or did not end by itself."""
    entry = entry_from_whole(path, body, created=0.0, model="", namespace="", engine_seconds=0.0)
    return text_of(entry) if entry is not None and entry.natural_end else None
