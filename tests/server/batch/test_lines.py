"""A batch file: its lines, and its check as a whole."""

import gzip
import hashlib
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.batch.base import BadLine, Line
from server.batch.lines import Checked, Limits, check, read_lines, scan
from server.errors import InvalidRequest, UsageError

LIMITS = Limits(max_line=1000)


def request(id: str = "1", **changes: Any) -> bytes:
    body = {"model": "m", "messages": []}
    return json.dumps({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


def scanned(path: Path, data: bytes, limits: Limits = LIMITS) -> list[tuple[int, bytes | str]]:
    path.write_bytes(data)
    return [(number, found.code if isinstance(found, BadLine) else found) for number, found in scan(path, limits)]


def checked(path: Path, *lines: bytes, **options: Any) -> Checked:
    path.write_bytes(b"\n".join(lines))
    return check(path, options.pop("limits", LIMITS), **options)


def codes(found: Checked) -> list[tuple[int, str]]:
    return [(error.number, error.code) for error in found.errors]


def test_lines_keep_the_numbers_that_an_editor_shows_and_blank_ones_are_passed_over(path: Path):
    assert scanned(path, b"\n\na\n \t\r\nb") == [(3, b"a"), (5, b"b")]


def test_a_bom_and_carriage_returns_are_taken_away(path: Path):
    assert scanned(path, b"\xef\xbb\xbfa\r\nb\r\n") == [(1, b"a"), (2, b"b")]


def test_characters_that_other_readers_part_at_do_not_end_a_line(path: Path):
    data = "a\u2028b\u0085c\x0bd\re".encode()
    assert scanned(path, data) == [(1, data)]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_of_just_the_limit_is_read_and_one_byte_more_is_not(path: Path, end: bytes):
    assert scanned(path, b"x" * 1000 + end) == [(1, b"x" * 1000)]
    assert scanned(path, b"x" * 1001 + end) == [(1, "line_too_long")]


def test_a_line_that_is_too_long_is_passed_over_to_its_end(path: Path):
    assert scanned(path, b"a\n" + b"x" * 3_000_000 + b"\nb\n") == [(1, b"a"), (2, "line_too_long"), (3, b"b")]


def test_a_line_that_is_not_utf8_is_bad_and_the_others_are_read(path: Path):
    assert scanned(path, b"a\n\xff\n" + "가\n".encode("cp949") + "가\n".encode()) == [
        (1, b"a"),
        (2, "invalid_utf8"),
        (3, "invalid_utf8"),
        (4, "가".encode()),
    ]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "empty_file", "is empty"),
        (b"\n \r\n\xef\xbb\xbf"[:4], "empty_file", "only blank lines"),
        (b"\xef\xbb\xbf", "empty_file", "only blank lines"),
        (b'[{"custom_id": "1"}]', "invalid_file", "one JSON array"),
        (gzip.compress(b"{}"), "invalid_file", "gzip"),
        (request().decode().encode("utf-16"), "invalid_utf8", "UTF-16"),
        (bytes(range(256)), "invalid_file", "binary"),
    ],
)
def test_what_is_no_jsonl_at_all_ends_the_check_with_one_sentence(path: Path, data: bytes, code: str, words: str):
    path.write_bytes(data)
    with pytest.raises(InvalidRequest, match=words) as error:
        check(path, LIMITS)
    assert error.value.code == code


def test_a_missing_file_is_a_usage_error(path: Path):
    with pytest.raises(UsageError, match="There is no file"):
        check(path, LIMITS)


def test_a_good_file_is_counted_by_endpoint_and_model_with_the_digest_of_its_bytes(path: Path):
    found = checked(path, request("1"), b"", request("2", url="/v1/embeddings", body={"model": "e", "input": "x"}), request("3"))
    data = path.read_bytes()
    assert (found.total, found.errors, found.errors_total) == (3, (), 0)
    assert found.digest == hashlib.sha256(data).digest()
    assert found.endpoints == {"/v1/chat/completions": 2, "/v1/embeddings": 1}
    assert found.models == {"m": 2, "e": 1}
    assert (found.size, found.mtime) == (len(data), os.stat(path).st_mtime_ns)


def test_the_digest_covers_lines_that_are_passed_over(path: Path):
    found = checked(path, b"", b"x" * 5_000_000, b"\xff", request())
    assert found.digest == hashlib.sha256(path.read_bytes()).digest()


def test_a_line_for_another_endpoint_than_the_batchs_is_named(path: Path):
    found = checked(path, request("1"), request("2", url="/v1/embeddings"), endpoint="/v1/chat/completions")
    assert codes(found) == [(2, "invalid_url")]


def test_a_model_that_is_not_served_is_named_with_its_line(path: Path):
    asked: list[tuple[str, str]] = []

    def known(model: str, url: str) -> bool:
        asked.append((model, url))
        return model == "m"

    found = checked(
        path, request("1"), request("2", body={"model": "gpt-4"}), request("3"), request("4", body={"model": "gpt-4"}), known=known
    )
    assert codes(found) == [(2, "model_not_found"), (4, "model_not_found")]
    assert '"gpt-4"' in found.errors[0].message
    assert found.errors[0].custom_id == "2"
    assert len(asked) == 2


def test_both_lines_of_an_id_that_comes_twice_are_named(path: Path):
    found = checked(path, request("a"), b"", request("b"), request("a"), b"", request("a"))
    assert codes(found) == [(4, "duplicate_custom_id"), (6, "duplicate_custom_id")]
    assert (found.total, found.errors_total, found.duplicates) == (4, 2, 2)
    assert found.errors[0].custom_id == "a"
    assert found.errors[0].message == 'Line 4: custom_id "a" is that of line 1 too: give each line its own.'


def test_an_id_is_the_same_however_it_is_escaped(path: Path):
    found = checked(path, request("가"), json.dumps(json.loads(request("가")), ensure_ascii=False).encode())
    assert codes(found) == [(2, "duplicate_custom_id")]


def test_a_bad_line_is_named_once_and_its_id_is_taken(path: Path):
    found = checked(path, request("a"), request("a", method="GET"), request("b", method="GET"), request("b"))
    assert codes(found) == [(2, "invalid_method"), (3, "invalid_method"), (4, "duplicate_custom_id")]


def test_the_first_errors_by_line_are_kept_and_all_are_counted(path: Path):
    lines = [request("a") if number % 2 else b"{}" for number in range(1, 401)]
    found = checked(path, *lines, first=5)
    assert codes(found) == [
        (2, "missing_required_parameter"),
        (3, "duplicate_custom_id"),
        (4, "missing_required_parameter"),
        (5, "duplicate_custom_id"),
        (6, "missing_required_parameter"),
    ]
    assert found.errors_total == 399


def test_no_error_is_kept_where_none_is_wanted_and_all_are_counted(path: Path):
    found = checked(path, request("a"), request("a"), b"x", first=0)
    assert (found.errors, found.errors_total) == ((), 2)


def test_one_line_more_than_the_limit_ends_the_check(path: Path):
    lines = [request(str(number)) for number in range(4)]
    assert checked(path, *lines, limits=Limits(4, 1000)).total == 4
    with pytest.raises(InvalidRequest, match="more than 3 requests") as error:
        check(path, Limits(3, 1000))
    assert error.value.code == "too_many_tasks"


def test_a_file_that_changes_while_it_is_read_is_refused(path: Path):
    def meanwhile(model: str, url: str) -> bool:
        with open(path, "ab") as file:
            file.write(b"\n")
        return True

    with pytest.raises(InvalidRequest, match=r"was changed.* while it was read") as error:
        checked(path, request(), known=meanwhile)
    assert error.value.code == "file_changed"


def test_a_file_that_is_deleted_while_it_is_read_is_refused(path: Path):
    def meanwhile(model: str, url: str) -> bool:
        path.unlink()
        return True

    with pytest.raises(InvalidRequest, match="was deleted while it was read"):
        checked(path, request(), known=meanwhile)


def test_progress_is_told_in_bytes(path: Path):
    told: list[int] = []
    found = checked(path, *(request(str(number)) for number in range(5000)), progress=told.append)
    assert len(told) == 4
    assert told == sorted(told)
    assert 0 < told[0] <= told[-1] <= found.size


def test_lines_read_again_are_the_same(path: Path):
    path.write_bytes(b"\n".join([request("a"), b"x", b"", request("b"), b"\xff"]))
    first = list(read_lines(path, LIMITS))
    assert first == list(read_lines(path, LIMITS))
    assert [line.number for line in first] == [1, 2, 4, 5]
    assert isinstance(first[0], Line)


def _peak(path: Path, limits: Limits) -> int:
    tracemalloc.start()
    try:
        check(path, limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file_but_for_24_bytes_an_id(path: Path):
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 2000}]}
    limits = Limits(None, 10_000)
    with open(path, "wb") as file:
        file.writelines(request(str(number), body=body) + b"\n" for number in range(500))
    short = _peak(path, limits)
    with open(path, "wb") as file:
        file.writelines(request(str(number), body=body) + b"\n" for number in range(10_000))
    assert path.stat().st_size > 20_000_000
    assert _peak(path, limits) < short + 10_000 * 24 * 2 + 400_000  # buckets of one page each


def test_memory_of_a_line_that_is_too_long_is_that_of_the_limit(path: Path):
    with open(path, "wb") as file:
        file.write(b'{"custom_id": "')
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + request())
    assert _peak(path, Limits(None, 100_000)) < 6_000_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([request(), request("2"), b"\xff", b"{}", b"\r", b"\n", b"\n", b"\xef\xbb\xbf", b"x" * 1001])).map(b"".join)
)
def test_any_bytes_give_a_check_or_an_error_in_words(path: Path, data: bytes):
    path.write_bytes(data)
    try:
        found = check(path, LIMITS)
    except InvalidRequest:
        return
    assert found.digest == hashlib.sha256(data).digest()
    good = found.total - found.errors_total
    assert good + found.duplicates == sum(found.endpoints.values())
    assert len({line.custom_id for line in read_lines(path, LIMITS) if isinstance(line, Line)}) >= good
