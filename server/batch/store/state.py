"""`state.sqlite`: the tables of files and batches, and every statement on them.

A deleted file's row stays for a while, so that a list that is being paged through by `after` goes on behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from server.batch.store.database import Database
from server.batch.store.records import OVER, Batch, Counts, File, Problem, Usage

APPLICATION = 0x534C4D42  # "SLMB", SQLite's application_id
GONE_AFTER = 30 * 86400  # seconds that the row of a deleted file is kept

SCHEMA = """
create table files(
    seq integer primary key autoincrement, id text not null unique, tenant text not null, created integer not null,
    expires integer, bytes integer not null, name text not null, purpose text not null, deleted integer);
create index files_expires on files(expires) where deleted is null and expires is not null;
create table batches(
    seq integer primary key autoincrement, id text not null unique, tenant text not null, created integer not null,
    expires integer not null, endpoint text not null, input_file text not null, window text not null, status text not null,
    ending text, owner text, model text, models text not null, metadata text, errors text not null, output_file text,
    error_file text, output_keep integer, times text not null, total integer not null, completed integer not null,
    failed integer not null, usage text not null, fingerprint text not null);
create index batches_status on batches(status);
"""

_FILE = "id, created, bytes, name, purpose, expires, tenant"
_BATCH = (
    "id, created, endpoint, input_file, window, expires, status, ending, owner, model, models, metadata, errors, output_file, "
    "error_file, output_keep, times, total, completed, failed, usage, fingerprint, tenant"
)
_UNENDED = f"status not in ({','.join(repr(status) for status in OVER)})"


class State:
    """For threads: everything here waits for the disk. Raises sqlite3.Error, OSError."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, SCHEMA, APPLICATION)

    # files

    def add_files(self, files: Sequence[File]) -> None:
        with self.database.write() as connection:
            _add_files(connection, files)

    def file(self, file_id: str, now: float) -> File | None:
        with self.database.read() as connection:
            row = connection.execute(
                f"select {_FILE} from files where id = ? and deleted is null and (expires is null or expires > ?)", (file_id, now)
            ).fetchone()
        return File(*row) if row else None

    def files(
        self, now: float, *, after: str | None = None, limit: int = 10_000, newest_first: bool = True, purpose: str | None = None
    ) -> list[File] | None:
        """Up to `limit` files behind `after`, a file's id; None where there never was such a file."""
        order, behind = ("desc", "<") if newest_first else ("asc", ">")
        with self.database.read() as connection:
            place = _place(connection, "files", after)
            if place is None:
                return None
            rows = connection.execute(
                f"select {_FILE} from files where deleted is null and (expires is null or expires > :now) "
                f"and (:place = 0 or seq {behind} :place) and (:purpose is null or purpose = :purpose) order by seq {order} limit :limit",
                {"now": now, "place": place, "purpose": purpose, "limit": limit},
            ).fetchall()
        return [File(*row) for row in rows]

    def delete_file(self, file_id: str, now: float) -> bool:
        """False where there is none."""
        with self.database.write() as connection:
            done = connection.execute("update files set deleted = ? where id = ? and deleted is null", (int(now), file_id))
            return done.rowcount > 0

    def expire_files(self, now: float) -> list[str]:
        """Mark those deleted that have expired; their ids. Rows of files deleted long ago go."""
        with self.database.write() as connection:
            gone = connection.execute("select id from files where deleted is null and expires <= ?", (now,)).fetchall()
            connection.execute("update files set deleted = ? where deleted is null and expires <= ?", (int(now), now))
            connection.execute("delete from files where deleted < ?", (now - GONE_AFTER,))
        return [row[0] for row in gone]

    def next_expiry(self) -> int | None:
        """When the next file expires."""
        with self.database.read() as connection:
            found = connection.execute("select min(expires) from files where deleted is null and expires is not null").fetchone()
        return None if found[0] is None else int(found[0])

    def known_files(self) -> set[str]:
        with self.database.read() as connection:
            return {row[0] for row in connection.execute("select id from files where deleted is null")}

    # batches

    def add_batch(self, batch: Batch) -> None:
        values = _row(batch)
        with self.database.write() as connection:
            places = ", ".join(f":{name}" for name in values)
            connection.execute(f"insert into batches({', '.join(values)}) values ({places})", values)

    def batch(self, batch_id: str) -> Batch | None:
        with self.database.read() as connection:
            return _get(connection, batch_id)

    def batches(self, *, after: str | None = None, limit: int = 20) -> list[Batch] | None:
        """Up to `limit` batches, the newest first, behind `after`, a batch's id; None where there is no such batch."""
        with self.database.read() as connection:
            place = _place(connection, "batches", after)
            if place is None:
                return None
            rows = connection.execute(
                f"select {_BATCH} from batches where (:place = 0 or seq < :place) order by seq desc limit :limit",
                {"place": place, "limit": limit},
            ).fetchall()
        return [_batch(row) for row in rows]

    def unended(self) -> list[Batch]:
        """Those that something is still to be done for, the oldest first."""
        with self.database.read() as connection:
            return [_batch(row) for row in connection.execute(f"select {_BATCH} from batches where {_UNENDED} order by seq")]

    def by_status(self) -> dict[str, int]:
        with self.database.read() as connection:
            return dict(connection.execute("select status, count(*) from batches group by status").fetchall())

    def change(self, batch_id: str, was: Sequence[str], files: Sequence[File] = (), **changes: Any) -> Batch | None:
        """Change a batch whose status is one of `was`, and add `files`, in one transaction. None: it was not, nothing is done."""
        with self.database.write() as connection:
            batch = _get(connection, batch_id)
            if batch is None or batch.status not in was:
                return None
            batch = replace(batch, **{**changes, "times": {**batch.times, **changes.get("times", {})}})
            _add_files(connection, files)
            _put(connection, batch)
            return batch

    def own(self, batch_id: str, status: str, before: str | None, owner: str) -> Batch | None:
        """Take a batch over whose owner is `before`. None: somebody else was first, or its status is another by now."""
        with self.database.write() as connection:
            batch = _get(connection, batch_id)
            if batch is None or batch.status != status or batch.owner != before:
                return None
            batch = replace(batch, owner=owner)
            _put(connection, batch)
            return batch

    def close(self) -> None:
        self.database.close()


def _add_files(connection: sqlite3.Connection, files: Sequence[File]) -> None:
    connection.executemany(
        f"insert or replace into files({_FILE}) values (?,?,?,?,?,?,?)",
        [(f.id, f.created, f.bytes, f.name, f.purpose, f.expires, f.tenant) for f in files],
    )


def _place(connection: sqlite3.Connection, table: str, after: str | None) -> int | None:
    """The position of the row with the id `after`; 0 where none is asked for, None where there is no such row."""
    if after is None:
        return 0
    row = connection.execute(f"select seq from {table} where id = ?", (after,)).fetchone()
    return int(row[0]) if row else None


def _get(connection: sqlite3.Connection, batch_id: str) -> Batch | None:
    row = connection.execute(f"select {_BATCH} from batches where id = ?", (batch_id,)).fetchone()
    return _batch(row) if row else None


def _put(connection: sqlite3.Connection, batch: Batch) -> None:
    values = _row(batch)
    sets = ", ".join(f"{name} = :{name}" for name in values if name != "id")
    connection.execute(f"update batches set {sets} where id = :id", values)


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id, "tenant": batch.tenant, "created": batch.created, "expires": batch.expires, "endpoint": batch.endpoint,
        "input_file": batch.input_file, "window": batch.window, "status": batch.status, "ending": batch.ending, "owner": batch.owner,
        "model": batch.model, "models": json.dumps(batch.models), "output_file": batch.output_file, "error_file": batch.error_file,
        "metadata": None if batch.metadata is None else json.dumps(batch.metadata), "output_keep": batch.output_keep,
        "errors": json.dumps([asdict(problem) for problem in batch.errors]), "times": json.dumps(batch.times),
        "total": batch.counts.total, "completed": batch.counts.completed, "failed": batch.counts.failed,
        "usage": json.dumps(asdict(batch.counts.usage)), "fingerprint": json.dumps(batch.fingerprint),
    }  # fmt: skip


def _batch(row: Sequence[Any]) -> Batch:
    (
        id, created, endpoint, input_file, window, expires, status, ending, owner, model, models, metadata, errors, output_file,
        error_file, output_keep, times, total, completed, failed, usage, fingerprint, tenant,
    ) = row  # fmt: skip
    return Batch(
        id, created, endpoint, input_file, window, expires, status, ending, owner, model, tuple(json.loads(models)),
        None if metadata is None else json.loads(metadata), tuple(Problem(**problem) for problem in json.loads(errors)),
        output_file, error_file, output_keep, json.loads(times), Counts(total, completed, failed, Usage(**json.loads(usage))),
        tuple(json.loads(fingerprint)) if fingerprint != "null" else None, tenant,
    )  # fmt: skip
