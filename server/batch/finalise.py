"""The output and the error file of a batch, from its results; again from the start where it was broken off."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from server.batch.base import BadLine
from server.batch.lines import Limits, read_line, scan
from server.batch.results import failed_line, request_id
from server.batch.store.folder import Aside
from server.batch.store.records import Batch, Counts, File
from server.batch.store.store import Store
from server.errors import SLLMError

WHY = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed, because its batch was cancelled."),
    "failed": ("batch_failed", "This request was not executed, because its batch failed."),
}


class Stopped(Exception):
    """The process ends; the next one does it."""


def finalise(store: Store, batch: Batch, limits: Limits, job: bytes, keep: float | None, stop: threading.Event) -> Batch | None:
    """Write the files and end the batch. None: somebody else has. `keep`: seconds that its files are kept.

    Raises OSError, sqlite3.Error, Stopped.
    """
    assert batch.ending is not None
    now = int(store.clock())
    files: list[File] = []
    counts = Counts()
    output, error = batch.output_file, batch.error_file
    if store.work_path(batch.id).exists() and output is not None and error is not None:
        with store.files.aside() as good, store.files.aside() as bad:
            counts = _write(store, batch, limits, job, good, bad, stop)
            for kind, file_id, aside in (("output", output, good), ("error", error, bad)):
                if aside.size:
                    aside.keep(store.files.of(file_id))
                    seconds = batch.output_keep if batch.output_keep is not None else keep
                    expires = None if seconds is None else now + int(seconds)
                    files.append(File(file_id, now, aside.size, f"{batch.id}_{kind}.jsonl", "batch_output", expires, batch.tenant))
    made = {file.id for file in files}
    ended = store.state.change(
        batch.id,
        (batch.status,),
        files,
        status=batch.ending,
        owner=None,
        times={batch.ending: now},
        counts=counts,
        output_file=output if output in made else None,
        error_file=error if error in made else None,
    )
    if ended is not None:
        store.drop_work(batch.id)
    return ended


def _write(store: Store, batch: Batch, limits: Limits, job: bytes, good: Aside, bad: Aside, stop: threading.Event) -> Counts:
    """All results by line, and between them what became of lines that have none."""
    work = store.work(batch.id)
    try:
        counts = work.counts()
        missing = 0
        rest = iter(()) if counts.whole else _numbers(store, batch, limits)
        left = next(rest, None)
        for line, ok, data in work.results():
            if stop.is_set():
                raise Stopped
            while left is not None and left[0] < line:
                bad.write(_unfinished(batch, job, left))
                missing += 1
                left = next(rest, None)
            if left is not None and left[0] == line:
                left = next(rest, None)
            (good if ok else bad).write(data)
        while left is not None:
            bad.write(_unfinished(batch, job, left))
            missing += 1
            left = next(rest, None)
    finally:
        work.close()
    return Counts(counts.total, counts.completed, counts.failed + missing, counts.usage)


def _numbers(store: Store, batch: Batch, limits: Limits) -> Iterator[tuple[int, str | None]]:
    """Each line of the input with its custom_id, as far as the input can be read."""
    try:
        for number, raw in scan(store.input_path(batch.id), limits):
            line = raw if isinstance(raw, BadLine) else read_line(raw, number, limits)
            yield number, line.custom_id
    except SLLMError:
        return


def _unfinished(batch: Batch, job: bytes, line: tuple[int, str | None]) -> bytes:
    assert batch.ending is not None
    return failed_line(request_id(job, line[0]), line[0], line[1], None, WHY[batch.ending])
