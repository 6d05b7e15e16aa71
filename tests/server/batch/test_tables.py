"""Rows of CSV and Parquet files."""

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.batch.base import BadLine
from server.batch.request import Limits
from server.batch.tables import CsvTable, ParquetTable
from server.errors import InvalidRequest, SLLMError, UsageError

LIMITS = Limits(max_line=1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.csv"


def table(path: Path, data: bytes, **options: Any) -> CsvTable:
    path.write_bytes(data)
    return CsvTable(path, LIMITS, **options)


def rows(table: CsvTable | ParquetTable) -> list[object]:
    return [(found.number, found.code) if isinstance(found, BadLine) else found for found in table.rows()]


def test_rows_have_the_numbers_of_the_lines_on_which_they_start(path: Path):
    found = table(path, b'a,b\r\n1,"x\r\ny"\r\n\r\n2,"z ""q"", w"\r\n')
    assert found.columns == ("a", "b")
    assert rows(found) == [(2, {"a": "1", "b": "x\r\ny"}), (5, {"a": "2", "b": 'z "q", w'})]
    assert rows(found) == rows(found)


@pytest.mark.parametrize(("data", "delimiter"), [(b"a,b;c\n", ","), (b"a;b\n", ";"), (b"a\tb,c\td\n", "\t"), (b"a\n", ",")])
def test_the_delimiter_is_read_from_the_header(path: Path, data: bytes, delimiter: str):
    assert table(path, data).delimiter == delimiter


def test_a_bom_is_no_part_of_the_first_columns_name(path: Path):
    assert table(path, b'\xef\xbb\xbf"a", b\n1,2\n').columns == ("a", "b")


def test_a_row_that_is_not_utf8_is_bad_and_the_others_are_read(path: Path):
    found = table(path, b"a\n1\n" + "가\n".encode("cp949") + "가\n".encode())
    assert rows(found) == [(2, {"a": "1"}), (3, "invalid_utf8"), (4, {"a": "가"})]


def test_a_row_with_more_cells_than_the_header_is_bad_and_one_with_fewer_lacks_the_last(path: Path):
    assert rows(table(path, b"a,b\n1,2,3\n1\n")) == [(2, "invalid_row"), (3, {"a": "1"})]


def test_text_after_a_closed_quote_is_bad_and_the_next_row_is_read(path: Path):
    assert rows(table(path, b'a\n"x"y\nz\n')) == [(2, "invalid_row"), (3, {"a": "z"})]


def test_a_quote_that_is_never_closed_is_bad(path: Path):
    assert rows(table(path, b'a\nx\n"y\nz\n')) == [(2, {"a": "x"}), (3, "invalid_row")]


def test_a_line_that_is_too_long_is_bad_and_the_next_row_is_read(path: Path):
    assert rows(table(path, b"a\n" + b"x" * 3_000_000 + b"\nz\n")) == [(2, "line_too_long"), (3, {"a": "z"})]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b,a\n", "one name"),
        ("가\n".encode("cp949"), "not UTF-8"),
        (b"x" * 3000, "longer"),
        ("a,b".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_header_that_names_no_columns_is_refused(path: Path, data: bytes, words: str):
    with pytest.raises(InvalidRequest, match=words):
        table(path, data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\xff", b"\x00", b"\t", b"x" * 999])).map(b"".join) | st.binary())
def test_any_bytes_give_rows_or_an_error_in_words(path: Path, data: bytes):
    try:
        found = table(path, data)
    except SLLMError:
        return
    numbers = [one.number if isinstance(one, BadLine) else one[0] for one in found.rows()]
    assert numbers == sorted(set(numbers))


def parquet(path: Path, **columns: Any) -> ParquetTable:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path, row_group_size=2)
    return ParquetTable(path, LIMITS)


def test_rows_of_parquet_are_numbered_from_one_with_their_own_types(path: Path):
    found = parquet(path, a=["x", None, "z"], b=[1, 2, 3])
    assert found.columns == ("a", "b")
    assert rows(found) == [(1, {"a": "x", "b": 1}), (2, {"a": None, "b": 2}), (3, {"a": "z", "b": 3})]
    assert list(found.rows(("b", "none"))) == [(1, {"b": 1}), (2, {"b": 2}), (3, {"b": 3})]


def test_a_value_of_parquet_that_cannot_be_read_is_a_bad_row(path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    texts = pyarrow.array([b"x", b"\xff", b"z"]).view(pyarrow.string())
    assert rows(parquet(path, a=texts)) == [(1, {"a": "x"}), (2, "invalid_value"), (3, {"a": "z"})]


def test_a_file_that_is_no_parquet_is_refused(path: Path):
    pytest.importorskip("pyarrow")
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidRequest, match="no Parquet that can be read"):
        ParquetTable(path, LIMITS)


def test_without_pyarrow_one_sentence_says_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match="pip install pyarrow"):
        ParquetTable(path, LIMITS)


def test_memory_does_not_grow_with_a_csv_file(path: Path):
    with open(path, "wb") as file:
        file.write(b"a,b\n")
        file.writelines(b'%d,"%b\n%b"\n' % (number, b"x" * 300, b"y" * 300) for number in range(20_000))
    found = CsvTable(path, LIMITS)
    tracemalloc.start()
    try:
        for _ in found.rows():
            pass
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
