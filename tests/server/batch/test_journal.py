"""The two output files: each line once, whatever ended the writer."""

import asyncio
import errno
import hashlib
import os

import pytest

from server.batch import journal as module
from server.batch.base import Answer, Line
from server.batch.journal import Bits, Journal, errors_of
from server.batch.results import failed_line, ok_line, request_id
from server.errors import DiskFull, StartError, UsageError

JOB, OTHER = hashlib.sha256(b"a job").digest(), hashlib.sha256(b"another").digest()
ANSWER = Answer(200, "req_1", b'{"a": 1}')


def ok(number, job=JOB):
    return ok_line(request_id(job, number), Line(number, f"id-{number}", "/v1/chat/completions", "m", b"{}"), ANSWER)


def failed(number, job=JOB):
    return failed_line(request_id(job, number), number, f"id-{number}", None, ("bad", "it is bad"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


def begun(out, mode="auto", **more):
    with Journal(out, JOB) as journal:
        journal.begin(mode, **more)
        return journal


async def write(journal, *numbers):
    for number in numbers:
        journal.write(number, ok(number), True)
    await journal.finish(1)


def test_bits_hold_numbers_of_any_size():
    bits = Bits()
    for number in (1, 8, 100_000, 8):
        bits.add(number)
    assert bits.count == 3
    assert [n for n in (0, 1, 7, 8, 9, 100_000, 100_001) if n in bits] == [1, 8, 100_000]


async def test_results_are_written_at_the_end_of_the_loops_round(out):
    with Journal(out, JOB) as journal:
        journal.begin()
        journal.write(1, ok(1), True)
        journal.write(2, failed(2), False)
        await asyncio.sleep(0)
        assert out.read_bytes() == ok(1)
        assert errors_of(out).read_bytes() == failed(2)


def test_what_was_written_is_known_again(out):
    out.write_bytes(ok(1) + ok(3))
    errors_of(out).write_bytes(failed(2))
    journal = begun(out)
    assert [n in journal for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert (journal.ok.count, journal.failed.count) == (2, 1)


@pytest.mark.parametrize("cut", [1, 40, -1], ids=["one byte", "half", "all but the end"])
def test_a_torn_last_line_is_cut_off(out, cut):
    out.write_bytes(ok(1) + ok(2)[:cut])
    journal = begun(out)
    assert 2 not in journal
    assert out.read_bytes() == ok(1)


def test_zeros_that_a_power_cut_left_are_cut_off(out):
    out.write_bytes(ok(1) + bytes(5000) + b"\n" + ok(3))
    journal = begun(out)
    assert out.read_bytes() == ok(1)
    assert 3 not in journal


def test_another_jobs_results_are_refused_with_what_to_type(out):
    out.write_bytes(ok(1, OTHER))
    with pytest.raises(UsageError, match="--restart"):
        begun(out)
    assert out.read_bytes() == ok(1, OTHER)


def test_another_kind_of_file_is_refused_and_left_alone(out):
    out.write_text("my thesis\nchapter 1\n")
    with pytest.raises(UsageError, match="line 1 is no result"):
        begun(out)
    assert out.read_text() == "my thesis\nchapter 1\n"


def test_restart_begins_anew(out):
    out.write_bytes(ok(1, OTHER))
    errors_of(out).write_bytes(failed(2, OTHER))
    journal = begun(out, "restart")
    assert 1 not in journal
    assert out.read_bytes() == b""


def test_resume_without_results_is_refused(out):
    with pytest.raises(UsageError, match="nothing to resume"):
        begun(out, "resume")
    assert not out.exists()


def test_failed_lines_run_again_when_asked(out):
    out.write_bytes(ok(1))
    errors_of(out).write_bytes(failed(2))
    journal = begun(out, retry_failed=True)
    assert 1 in journal
    assert 2 not in journal
    assert not errors_of(out).exists()


def test_two_writers_of_one_file_are_not_let_in(out):
    with Journal(out, JOB):
        with pytest.raises(UsageError, match="another `sllm batch`"), Journal(out, JOB):
            pass


def test_files_that_got_no_line_are_not_left_behind(out):
    begun(out)
    assert not out.exists()
    assert not errors_of(out).exists()


@pytest.mark.parametrize("where", ["missing/out.jsonl", "file/out.jsonl"])
def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot write to"), Journal(tmp_path / where, JOB):
        pass


class Disk:
    """os.write that is full after `room` bytes."""

    def __init__(self, room):
        self.room, self.real = room, os.write

    def __call__(self, fd, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        took = self.real(fd, data[: self.room])
        self.room -= took
        return took


@pytest.fixture
def disk(monkeypatch):
    disk = Disk(10**9)
    monkeypatch.setattr(module.os, "write", disk)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    return disk


async def test_a_full_disk_is_waited_for_and_nothing_is_lost(out, disk):
    with Journal(out, JOB) as journal:
        journal.begin()
        told = []
        journal.told = told.append
        disk.room = len(ok(1)) + 10
        journal.write(1, ok(1), True)
        journal.write(2, ok(2), True)
        await asyncio.sleep(0)
        assert not journal.room.is_set()
        assert told == [True]
        journal.write(3, ok(3), True)
        await asyncio.sleep(0.03)
        disk.room = 10**9
        await journal.finish(5)
        assert told == [True, False]
    assert out.read_bytes() == ok(1) + ok(2) + ok(3)


async def test_a_disk_that_stays_full_leaves_whole_lines(out, disk):
    with Journal(out, JOB) as journal:
        journal.begin()
        disk.room = len(ok(1)) + 10
        journal.write(1, ok(1), True)
        journal.write(2, ok(2), True)
        with pytest.raises(DiskFull, match="1 results could not be written"):
            await journal.finish(0.05)
    assert out.read_bytes() == ok(1)


async def test_a_disk_that_breaks_ends_the_writing(out, monkeypatch):
    def broken(fd, data):
        raise OSError(errno.EIO, "Input/output error")

    with Journal(out, JOB) as journal:
        journal.begin()
        monkeypatch.setattr(module.os, "write", broken)
        journal.write(1, ok(1), True)
        await asyncio.sleep(0)
        with pytest.raises(StartError, match="Input/output error"):
            journal.write(2, ok(2), True)


async def test_an_output_that_is_moved_away_is_noticed(out, monkeypatch):
    monkeypatch.setattr(module, "SYNC_EVERY", 0.01)
    with Journal(out, JOB) as journal:
        journal.begin()
        await write(journal, 1)
        out.rename(out.with_name("elsewhere.jsonl"))
        with pytest.raises(StartError, match="moved or deleted"):
            await asyncio.wait_for(journal.keep_synced(), 5)
