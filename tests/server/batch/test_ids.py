"""Ids that come twice, in memory and through files."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batch.ids import Ids
from server.errors import DiskFull

KEY = b"0" * 16


def twice(ids: Ids) -> list[tuple[int, int]]:
    try:
        return sorted(ids.twice())
    finally:
        ids.close()


@given(st.lists(st.sampled_from("abcdef") | st.text(), max_size=60), st.sampled_from([24, 48, 65536]))
def test_each_later_line_with_an_id_is_found_with_the_first_one_that_has_it(names: list[str], bucket: int):
    ids = Ids(bucket=bucket, key=KEY)
    for number, name in enumerate(names, 1):
        ids.add(name, number)
    assert twice(ids) == [(number, names.index(name) + 1) for number, name in enumerate(names, 1) if names.index(name) + 1 != number]


def test_a_line_that_is_bad_in_itself_is_not_named_but_counts_as_the_first():
    ids = Ids(key=KEY)
    ids.add("a", 1, bad=True)
    ids.add("a", 2)
    ids.add("a", 3, bad=True)
    assert twice(ids) == [(2, 1)]


def test_half_a_surrogate_pair_is_an_id_too():
    ids = Ids(key=KEY)
    ids.add("\ud800", 1)
    ids.add("\ud800", 2)
    assert twice(ids) == [(2, 1)]


def test_small_inputs_touch_no_disk(tmp_path: Path):
    ids = Ids(folder=tmp_path)
    ids.add("a", 1)
    assert ids.file is None


def test_what_large_inputs_write_has_no_name_that_could_be_left_behind(tmp_path: Path):
    ids = Ids(folder=tmp_path, bucket=24)
    ids.add("a", 1)
    assert ids.file is not None
    assert not list(tmp_path.iterdir())
    ids.close()
    assert ids.file.closed


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path):
    ids = Ids(folder=tmp_path / "none", bucket=24)
    with pytest.raises(DiskFull, match="TMPDIR"):
        ids.add("a", 1)


def test_memory_is_bound_by_the_buckets_not_by_the_number_of_ids(tmp_path: Path):
    ids = Ids(folder=tmp_path, bucket=480, key=KEY)
    tracemalloc.start()
    try:
        for number in range(40_000):
            ids.add(f"request-{number}", number + 1)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 256 * 480 * 3  # 40,000 ids are 960,000 bytes
    assert twice(ids) == []
