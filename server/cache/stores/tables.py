"""The tables of the SQLite file, and every statement on them. A transaction is the caller's.

Rows and their values are apart, so that noting when a row was used does not rewrite its value. A row that is written anew gets a
new `id`: other processes find what changed by looking at ids above the last one they saw.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from server.cache.stores.base import Group, Row

APPLICATION = 0x534C4D43  # "SLMC", SQLite's application_id
VERSION = 1
PAGE = 8192  # bytes; a row's value fills its last page half on average
ROW_ROOM = 400  # bytes a row takes beside its value: the row, its key twice, three indexes
KEPT_FLUSHES = 1000
MOST_AT_ONCE = 32  # rows in one statement

SCHEMA = """
create table entries(
    id integer primary key autoincrement, key blob not null unique, model text not null, namespace text not null,
    created real not null, expires real not null, used real not null, size integer not null, writer integer not null);
create index entries_used on entries(used);
create index entries_expires on entries(expires);
create table bodies(id integer primary key, value blob not null);
create table questions(
    id integer primary key autoincrement, partition blob not null, key blob not null, data blob not null, unique(key, partition));
create index questions_partition on questions(partition, id);
create table counts(name blob not null, field text not null, n integer not null, primary key(name, field)) without rowid;
create table flushes(id integer primary key autoincrement, model text, namespace text, at real not null, writer integer not null);
"""

# The questions of a file begun anew are newer than those of the one before: ids begin at the milliseconds since 1970.
CURSOR = "insert into sqlite_sequence(name, seq) values ('questions', cast((julianday('now') - 2440587.5) * 86400000 as integer));"


def prepare(connection: sqlite3.Connection) -> None:
    """Settings of the connection; the tables, where the file is new. Raises sqlite3.Error, a file of another kind included."""
    one = connection.execute
    application, version = one("pragma application_id").fetchone()[0], one("pragma user_version").fetchone()[0]
    new = not one("select count(*) from sqlite_master").fetchone()[0]
    if not new and (application, version) != (APPLICATION, VERSION):
        raise sqlite3.OperationalError(f"no such version: it is {application:#x}/{version}, not {APPLICATION:#x}/{VERSION}")
    if new:
        one(f"pragma page_size = {PAGE}")
        one("pragma auto_vacuum = incremental")
    one("pragma journal_mode = wal")
    one("pragma synchronous = normal")  # nothing is lost by SIGKILL; the last moments may be by a power cut
    one("pragma journal_size_limit = 16777216")
    one("pragma cache_size = -8192")
    one("pragma temp_store = memory")
    if new:
        connection.executescript(
            f"begin immediate; {SCHEMA} {CURSOR} pragma application_id = {APPLICATION}; pragma user_version = {VERSION}; commit;"
        )


def look_up(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[Row]:
    places = 1
    while places < len(keys):  # few different statements, so that each is compiled once
        places *= 2
    statement = (
        "select e.key, b.value, e.model, e.namespace, e.created, e.expires from entries e join bodies b on b.id = e.id "
        f"where e.key in ({','.join('?' * places)})"
    )
    padded = [*keys, *[keys[0]] * (places - len(keys))]
    return [Row(*found) for found in connection.execute(statement, padded)]


def put(connection: sqlite3.Connection, rows: Sequence[tuple[Row, float]], used: float, writer: int) -> None:
    """Write each (row, expires). Of several with one key the last one counts.

    Many rows a statement: Python's lock is given up and taken again for each, and the thread that serves waits for it.
    """
    latest = list({row.key: (row, expires) for row, expires in rows}.values())
    found = connection.execute("select seq from sqlite_sequence where name = 'entries'").fetchone()
    number = int(found[0] or 0) if found is not None else 0
    done = 0
    while done < len(latest):
        count = min(MOST_AT_ONCE, 1 << (len(latest) - done).bit_length() - 1)  # few different statements, so that each is compiled once
        some = latest[done : done + count]
        done += count
        places = ",".join("?" * count)
        connection.execute(f"delete from bodies where id in (select id from entries where key in ({places}))", [row.key for row, _ in some])
        entries: list[object] = []
        bodies: list[object] = []
        for row, expires in some:
            number += 1
            entries += (number, row.key, row.model, row.namespace, row.created, expires, used, len(row.value), writer)
            bodies += (number, row.value)
        columns = "id, key, model, namespace, created, expires, used, size, writer"
        connection.execute(f"insert or replace into entries({columns}) values {','.join(['(?,?,?,?,?,?,?,?,?)'] * count)}", entries)
        connection.execute(f"insert into bodies(id, value) values {','.join(['(?,?)'] * count)}", bodies)


def touch(connection: sqlite3.Connection, keys: Iterable[bytes], used: float) -> None:
    connection.executemany("update entries set used = ? where key = ?", [(used, key) for key in keys])


def put_question(connection: sqlite3.Connection, partition: bytes, key: bytes, data: bytes) -> None:
    """Only where the entry `key` is there."""
    connection.execute(
        "insert or replace into questions(partition, key, data) select ?, key, ? from entries where key = ?", (partition, data, key)
    )


def questions(connection: sqlite3.Connection, partition: bytes, after: int, most: int) -> list[tuple[int, bytes, bytes]]:
    return connection.execute(
        "select id, key, data from questions where partition = ? and id > ? order by id limit ?", (partition, after, most)
    ).fetchall()


def add_counts(connection: sqlite3.Connection, name: bytes, counts: Mapping[str, int]) -> dict[str, int]:
    connection.executemany(
        "insert into counts(name, field, n) values (?, ?, ?) on conflict(name, field) do update set n = n + excluded.n",
        [(name, field, count) for field, count in counts.items()],
    )
    return dict(connection.execute("select field, n from counts where name = ?", (name,)).fetchall())


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the file's pages hold, without the free ones."""
    pages = connection.execute("pragma page_count").fetchone()[0] - connection.execute("pragma freelist_count").fetchone()[0]
    return int(pages) * PAGE


def evict(connection: sqlite3.Connection, max_bytes: int, room: int) -> int:
    """Remove the least recently used rows until `room` bytes more fit into `max_bytes`; how many."""
    count = 0
    while (over := used_bytes(connection) + room - max_bytes) > 0:
        gone = []
        for number, size in connection.execute("select id, size from entries order by used, id limit 100"):
            gone.append(number)
            over -= size + ROW_ROOM
            if over <= 0:
                break
        if not gone:
            break
        count += remove(connection, gone)
    return count


def has_expired(connection: sqlite3.Connection, now: float) -> bool:
    return connection.execute("select 1 from entries where expires <= ? limit 1", (now,)).fetchone() is not None


def expire(connection: sqlite3.Connection, now: float, most: int) -> int:
    """Remove at most `most` rows that are past their time; how many."""
    return remove(connection, [n for (n,) in connection.execute("select id from entries where expires <= ? limit ?", (now, most))])


def discard(connection: sqlite3.Connection, key: bytes) -> int:
    return remove(connection, [n for (n,) in connection.execute("select id from entries where key = ?", (key,))])


def remove(connection: sqlite3.Connection, ids: Sequence[int]) -> int:
    each = [(number,) for number in ids]
    connection.executemany("delete from questions where key = (select key from entries where id = ?)", each)
    connection.executemany("delete from bodies where id = ?", each)
    connection.executemany("delete from entries where id = ?", each)
    return len(each)


def note_flush(connection: sqlite3.Connection, model: str | None, namespace: str | None, at: float, writer: int) -> int:
    """Tell all processes; the highest id that the flush is about."""
    done = connection.execute("insert into flushes(model, namespace, at, writer) values (?, ?, ?, ?)", (model, namespace, at, writer))
    connection.execute("delete from flushes where id <= ?", ((done.lastrowid or 0) - KEPT_FLUSHES,))
    return last_entry(connection)


def flush(connection: sqlite3.Connection, model: str | None, namespace: str | None, last: int, most: int) -> int:
    """Remove at most `most` rows up to the id `last`; all of them at once where neither model nor namespace is said."""
    if model is None and namespace is None:
        count = entry_count(connection)
        for table in ("questions", "bodies", "entries"):
            connection.execute(f"delete from {table}")  # without a condition SQLite frees the pages and reads none
        return count
    where = "id <= ?" + (" and model = ?" if model is not None else "") + (" and namespace = ?" if namespace is not None else "")
    said = [value for value in (model, namespace) if value is not None]
    return remove(connection, [n for (n,) in connection.execute(f"select id from entries where {where} limit ?", (last, *said, most))])


def flushes_since(connection: sqlite3.Connection, at: float) -> list[tuple[str | None, str | None, float]]:
    return connection.execute("select model, namespace, at from flushes where at > ?", (at,)).fetchall()


def flushes_after(connection: sqlite3.Connection, last: int) -> list[tuple[int, str | None, str | None, int]]:
    return connection.execute("select id, model, namespace, writer from flushes where id > ? order by id", (last,)).fetchall()


def entries_after(connection: sqlite3.Connection, last: int) -> list[tuple[int, bytes, int]]:
    return connection.execute("select id, key, writer from entries where id > ? order by id", (last,)).fetchall()


def entry_count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from entries").fetchone()[0])


def keys_after(connection: sqlite3.Connection, last: bytes, most: int) -> list[bytes]:
    """In the order of the keys, from their index alone."""
    return [key for (key,) in connection.execute("select key from entries where key > ? order by key limit ?", (last, most))]


def last_entry(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select coalesce(max(id), 0) from entries").fetchone()[0])


def last_flush(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select coalesce(max(id), 0) from flushes").fetchone()[0])


def groups(connection: sqlite3.Connection) -> tuple[Group, ...]:
    found = connection.execute(
        f"select model, namespace, count(*), sum(size + {ROW_ROOM}) from entries group by model, namespace order by model, namespace"
    )
    return tuple(Group(*group) for group in found)


def question_count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from questions").fetchone()[0])
