from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from server.sqlitefile import identity, transaction


def test_a_transaction_that_raises_leaves_nothing_and_one_that_does_not_is_there(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("create table t(x)")

    def fail() -> None:
        with transaction(connection):
            connection.execute("insert into t values (1)")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with transaction(connection):
        connection.execute("insert into t values (2)")
    assert not connection.in_transaction
    assert connection.execute("select x from t").fetchall() == [(2,)]
    connection.close()


def test_a_file_that_takes_anothers_place_is_another(tmp_path: Path):
    file = tmp_path / "a"
    assert identity(file) == (0, 0)
    file.write_text("x")
    before = identity(file)
    (tmp_path / "b").write_text("x")
    (tmp_path / "b").replace(file)
    assert before != identity(file) != (0, 0)
