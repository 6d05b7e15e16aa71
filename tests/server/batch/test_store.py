"""The store: leases, owners that die, results that are kept once, contents that are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server.batch.store.alive import Alive
from server.batch.store.records import Batch, File, Usage
from server.batch.store.store import Store, ends
from server.batch.store.work import Kept, Range, Work
from server.batch.validate import SPAN_LINES, spans
from server.settings import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from server.batch.store.store import Store
store = Store(Path(sys.argv[1]))
store.prepare()
work = store.work("batch_1")
work.claim(store.alive.id)
store.files.aside().write(b"half")
print(store.alive.id, flush=True)
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare()
    return store


def batch(number: int = 1, status: str = "in_progress") -> Batch:
    return Batch(f"batch_{number}", 100 + number, "/v1/chat/completions", "file-1", "24h", 10**10, status=status)


def kept(line: int, ok: bool = True) -> Kept:
    return Kept(line, ok, b"%d\n" % line, Usage(2, 1, 3, 0))


@pytest.fixture
def work(store: Store) -> Work:
    Work.make(store.work_path("batch_1"), [Range(1, 2, 0, 2), Range(3, 4, 50, 2)])
    return store.work("batch_1")


def test_each_range_goes_to_one_worker(work: Work) -> None:
    first, second = work.claim("a"), work.claim("b")
    assert first is not None
    assert second is not None
    assert (first.range.first, second.range.first) == (1, 3)
    assert work.claim("a") is None


def test_a_range_that_is_given_back_tells_what_is_done_of_it(work: Work) -> None:
    work.claim("a")
    work.put([kept(2)], [])
    work.release("a")
    again = work.claim("b")
    assert again is not None
    assert again.done == {2}


def test_a_range_that_is_done_is_not_handed_out_again(work: Work) -> None:
    work.claim("a")
    work.put([kept(1), kept(2)], [1])
    work.release("a")
    found = work.claim("b")
    assert found is not None
    assert found.range.first == 3
    assert work.claim("b") is None


def test_a_line_keeps_its_first_result_and_counts_once(work: Work) -> None:
    work.put([kept(1)], [])
    counts = work.put([Kept(1, False, b"other\n", Usage()), kept(2, ok=False)], [])
    assert (counts.total, counts.completed, counts.failed) == (4, 1, 1)
    assert counts.usage == Usage(4, 2, 6, 0)
    assert list(work.results()) == [(1, True, b"1\n"), (2, False, b"2\n")]


def test_what_a_killed_process_held_is_free_at_once(store: Store, work: Work) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(store.path.parent)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    owner = process.stdout.readline().strip()
    assert store.alive.lives(owner)
    assert work.release_dead(store.alive.lives) == 1
    first = work.claim("b")
    assert first is not None
    assert first.range.first == 3
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not store.alive.lives(owner)
    assert work.release_dead(lambda name: name == "b") == 1  # its own
    again = work.claim("c")
    assert again is not None
    assert again.range.first == 1
    assert len(list(store.files.path.iterdir())) == 1
    store.sweep()
    assert list(store.files.path.iterdir()) == []
    assert owner not in os.listdir(store.path / "workers")


def test_a_worker_that_left_is_not_alive(tmp_path: Path) -> None:
    one, other = Alive(tmp_path), Alive(tmp_path)
    one.register()
    assert other.lives(one.id)
    one.leave()
    assert not other.lives(one.id)


def test_many_threads_register_one_worker(tmp_path: Path) -> None:
    alive = Alive(tmp_path)
    threads = [threading.Thread(target=alive.register, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert Alive(tmp_path).lives(alive.id)
    alive.leave()


def test_a_batch_has_one_owner(store: Store) -> None:
    store.state.add_batch(batch(status="validating"))
    assert store.state.own("batch_1", "validating", None, "a") is not None
    assert store.state.own("batch_1", "validating", None, "b") is None
    assert store.state.own("batch_1", "validating", "a", "b") is not None


def test_a_batch_that_has_moved_on_is_not_changed(store: Store) -> None:
    store.state.add_batch(batch(status="completed"))
    assert store.cancel("batch_1") is None
    assert store.state.change("batch_1", ("in_progress",), (), status="finalizing", **ends("completed")) is None


def test_every_field_of_a_batch_comes_back(store: Store) -> None:
    whole = Batch(
        "batch_9", 1, "/v1/responses", "file-2", "7d", 9, "in_progress", "expired", "me", "m", ("m", "n"), {"k": "값"}, output_file="o",
        error_file="e", output_keep=5, times={"in_progress": 2}, fingerprint=(3, 4), tenant="t",
    )  # fmt: skip
    store.state.add_batch(whole)
    assert store.state.batch("batch_9") == whole


def test_the_mark_changes_with_every_commit_of_another_process(store: Store) -> None:
    other = Store(store.path.parent)
    before = store.mark()
    other.state.add_batch(batch())
    assert store.mark() != before


def test_expired_files_go_and_their_contents_too(store: Store) -> None:
    for name, expires in (("file-a", 50), ("file-b", None)):
        with store.files.aside() as aside:
            aside.write(b"x")
            aside.keep(store.files.of(name))
        store.state.add_files([File(name, 1, 1, "n", "batch", expires)])
    store.clock = lambda: 50.0
    store.expire()
    assert [file.id for file in store.state.files(50) or []] == ["file-b"]
    assert os.listdir(store.files.path) == ["file-b"]


def test_work_that_is_removed_is_not_there_for_those_who_had_it_open(store: Store, work: Work) -> None:
    work.claim("a")
    store.drop_work("batch_1")
    with pytest.raises(FileNotFoundError):
        work.put([kept(1)], [])
    assert os.listdir(store.path / "work") == []


def test_the_sweep_removes_the_work_of_batches_that_are_over(store: Store, work: Work) -> None:
    work.close()
    store.state.add_batch(batch(status="completed"))
    store.sweep()
    assert os.listdir(store.path / "work") == []


def test_ranges_cover_all_lines_that_are_not_blank_and_begin_at_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n" + b"".join(b"%d\r\n\n" % n for n in range(200)) + b"  \nlast")
    found = list(spans(path))
    assert sum(span.lines for span in found) == 201
    assert max(span.lines for span in found) == SPAN_LINES
    data = path.read_bytes()
    for span in found:
        assert data[: span.offset].count(b"\n") == span.first - 1
    assert data[found[0].offset :].startswith(b"0\r\n")
    assert found[-1].last == data.count(b"\n") + 1
