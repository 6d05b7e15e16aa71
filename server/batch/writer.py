"""The thread that commits results: what has come while the last commit was under way goes into the next one.

A full disk loses nothing: results wait here, and are tried again until there is room.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from server.batch.base import BadLine, Result
from server.batch.results import failed_line, ok_line, request_id
from server.batch.store.database import is_passing
from server.batch.store.records import Counts, Usage
from server.batch.store.work import Kept, Range, Work

MOST_BYTES = 16 * 2**20  # in one transaction
RETRY = 1.0  # seconds until a commit that failed is tried again

log = logging.getLogger("sllm")


@dataclass(slots=True, eq=False)
class Span:
    """A lease of this process: `left` are the lines of it that have no result yet."""

    range: Range
    left: set[int] = field(default_factory=set)


class Job(Protocol):
    id: str
    digest: bytes
    work: Work


@dataclass(slots=True)
class Item:
    """A line that has ended. `size` in bytes."""

    job: Job
    span: Span
    number: int
    result: Result | BadLine
    size: int


Committed = Callable[[Job, Sequence[Kept], Counts], None]


class Writer(threading.Thread):
    """`committed` and `paused` (with the reason, or None when it goes on) are called in this thread."""

    def __init__(self, committed: Committed, paused: Callable[[str | None], None], retry: float = RETRY) -> None:
        super().__init__(name="batch writer", daemon=True)
        self.items: queue.SimpleQueue[Item | threading.Event | None] = queue.SimpleQueue()
        self.retry = retry
        self._committed = committed
        self._paused = paused
        self._closing = threading.Event()
        self._failing = False

    def put(self, item: Item) -> None:
        self.items.put(item)

    def flush(self) -> threading.Event:
        """Set once all that was put before is committed."""
        done = threading.Event()
        self.items.put(done)
        return done

    def close(self) -> None:
        """Ends after what was put is committed; with a disk that is full, without it."""
        self._closing.set()
        self.items.put(None)

    def run(self) -> None:
        over = False
        while not over:
            batch: list[Item] = []
            told: list[threading.Event] = []
            size = 0
            entry = self.items.get()
            while True:
                if entry is None:
                    over = True
                elif isinstance(entry, Item):
                    batch.append(entry)
                    size += entry.size
                else:
                    told.append(entry)
                if over or size > MOST_BYTES:
                    break
                try:
                    entry = self.items.get_nowait()
                except queue.Empty:
                    break
            by_job: dict[int, list[Item]] = {}
            for item in batch:
                by_job.setdefault(id(item.job), []).append(item)
            for items in by_job.values():
                self._commit(items)
            for event in told:
                event.set()

    def _commit(self, items: list[Item]) -> None:
        job = items[0].job
        kept = [made(item) for item in items]
        for item in items:
            item.span.left.discard(item.number)
        done = {item.span.range.first for item in items if not item.span.left}
        while True:
            try:
                counts = job.work.put(kept, sorted(done))
            except FileNotFoundError:  # the batch has ended meanwhile
                return
            except (sqlite3.Error, OSError) as error:
                if not self._failing:
                    log.warning("batches: results cannot be written, so batch work waits: %s (%s)", error, job.work.path)
                    self._failing = True
                self._paused(reason(error))
                if self._closing.wait(self.retry):
                    return
                continue
            if self._failing:
                self._failing = False
                log.warning("batches: results are written again, batch work goes on")
                self._paused(None)
            self._committed(job, kept, counts)
            return


def reason(error: BaseException) -> str:
    """What keeps results from being written, in a word."""
    return "disk_full" if is_passing(error) else "disk_error"


def made(item: Item) -> Kept:
    """The line of the output or error file that a result is."""
    result, number = item.result, item.number
    name = request_id(item.job.digest, number)
    if isinstance(result, BadLine):
        return Kept(number, False, failed_line(name, number, result.custom_id, None, (result.code, result.message)), Usage())
    answer = result.answer
    if answer is not None and answer.ok and result.error is None:
        return Kept(number, True, ok_line(name, result.line, answer), usage_of(answer.body, answer.prompt_tokens, answer.completion_tokens))
    return Kept(number, False, failed_line(name, number, result.line.custom_id, answer, result.error), Usage())


class _Prompt(msgspec.Struct):
    cached_tokens: int | None = None


class _Completion(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Prompt | None = None
    input_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    output_tokens_details: _Completion | None = None


class _Body(msgspec.Struct):
    usage: _Usage | None = None


_body = msgspec.json.Decoder(_Body)


def usage_of(body: bytes, prompt: int, completion: int) -> Usage:
    """What the answer says of its tokens; `prompt` and `completion` where it says nothing."""
    try:
        said = _body.decode(body).usage
    except msgspec.DecodeError:
        said = None
    if said is None:
        return Usage(max(prompt, 0), 0, max(completion, 0), 0)
    before = said.prompt_tokens_details or said.input_tokens_details
    after = said.completion_tokens_details or said.output_tokens_details
    return Usage(
        said.prompt_tokens or said.input_tokens or 0,
        (before.cached_tokens or 0) if before is not None else 0,
        said.completion_tokens or said.output_tokens or 0,
        (after.reasoning_tokens or 0) if after is not None else 0,
    )
