"""An input file: opened, recognised, known again."""

import gzip
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batch.source import Fingerprint, opened, refuse_foreign, refuse_other_json
from server.errors import InvalidRequest, UsageError


def test_an_untouched_file_is_the_same(tmp_path: Path):
    path = tmp_path / "in"
    path.write_bytes(b"a")
    assert Fingerprint.of(path).change(path) is None


def test_what_became_of_a_file_is_said(tmp_path: Path):
    path, other = tmp_path / "in", tmp_path / "other"
    path.write_bytes(b"abc")
    seen = Fingerprint.of(path)
    path.write_bytes(b"abcd")
    assert seen.change(path) == "was changed: it had 3 bytes and has 4 now"
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert seen.change(path) == "was changed"
    other.write_bytes(b"abc")
    os.replace(other, path)
    assert seen.change(path) == "was replaced by another file"
    path.unlink()
    assert seen.change(path) == "was deleted"


def test_what_is_no_readable_file_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"There is no file .*none"):
        opened(tmp_path / "none")
    with pytest.raises(UsageError, match="is a folder"):
        opened(tmp_path)
    with pytest.raises(UsageError, match=r"There is no file|cannot be read"):
        opened(tmp_path / ("x" * 5000))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="read more than once"):
        opened(tmp_path / "pipe")
    with pytest.raises(UsageError, match="cannot be read"):
        opened("a\x00b")


def test_a_gzip_file_reads_as_what_is_in_it_where_that_is_asked_for(tmp_path: Path):
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(b"a\nb\n"))
    with opened(path, unpack=True) as file:
        assert file.peek(1)[:1] == b"a"
        assert file.readline() == b"a\n"
        assert file.read() == b"b\n"
    with opened(path) as file:
        assert file.read(2) == b"\x1f\x8b"


@pytest.mark.parametrize("unpack", [True, False])
@pytest.mark.parametrize("size", [0, 10, 5_000_000])
def test_who_looks_on_sees_the_bytes_of_the_file_once_each(tmp_path: Path, unpack: bool, size: int):
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(os.urandom(size)) if unpack else b"x\n" * size)
    pieces: list[bytes] = []
    with opened(path, unpack=unpack, see=lambda data: pieces.append(bytes(data))) as file:
        file.peek(10)
        while file.readline(1_000_000):
            pass
    assert b"".join(pieces) == path.read_bytes()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (gzip.compress(b"{}"), "gunzip"),
        (b"\x28\xb5\x2f\xfd....", "unzstd"),
        (b"PK\x03\x04....", "ZIP"),
        (b"PAR1....", "Parquet"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-be"), "UTF-16"),
        ('{"a": 1}'.encode("utf-32"), "UTF-32"),
        ('{"a": 1}'.encode("utf-32-le"), "UTF-32"),
        ('{"a": 1}'.encode("utf-32-be"), "UTF-32"),
        (b"\x00" * 100, "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_refused_with_what_it_is_and_what_to_do(head: bytes, words: str):
    with pytest.raises(InvalidRequest, match=words):
        refuse_foreign(head)


@pytest.mark.parametrize(
    ("head", "words"),
    [(b'[{"a": 1}]', "one JSON array"), (b'\xef\xbb\xbf [\r\n {"a"', "one JSON array"), (b'{\r\n  "custom_id": "1"', "over several lines")],
)
def test_json_that_is_not_one_object_a_line_is_refused_with_the_command_that_mends_it(head: bytes, words: str):
    with pytest.raises(InvalidRequest, match=f"{words}.*jq -c"):
        refuse_other_json(head)


@pytest.mark.parametrize("head", [b"", b'{"a": 1}\n', b"[1]\n", b"{\n{}\n", b'{"a": "\x00"}', "{가".encode(), b"\xff\n{}"])
def test_what_may_be_lines_of_which_some_are_bad_is_let_through(head: bytes):
    refuse_foreign(head)
    refuse_other_json(head)


@given(st.binary(max_size=200))
def test_no_first_bytes_raise_anything_else(head: bytes):
    for refuse in (refuse_foreign, refuse_other_json):
        with suppress(InvalidRequest):
            refuse(head)
