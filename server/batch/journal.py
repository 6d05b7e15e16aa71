"""OUT.jsonl and OUT.errors.jsonl: results appended as they come, each line once, and what a later run learns from them.

A result is written at the end of the event loop's round in which it came, many with one system call, so that SIGKILL loses next
to nothing; the disk is told to hold them about once a second, and at the end. Each id tells its job and its line
(results.request_id), so that going on needs one bit a line. A last line that was cut (SIGKILL, a power cut) is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from server.batch.results import number_of
from server.errors import DiskFull, StartError, UsageError

SYNC_EVERY = 1.0  # seconds
LOOK_EVERY = 2.0  # seconds between two tries on a full disk
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
PIECE = 2**20

Mode = Literal["auto", "resume", "restart"]


class Bits:
    """A set of line numbers, one bit each."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.count = 0

    def add(self, number: int) -> None:
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self.bytes):
            self.bytes.extend(bytes(max(at + 1 - len(self.bytes), len(self.bytes) // 8)))
        if not self.bytes[at] & bit:
            self.bytes[at] |= bit
            self.count += 1

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self.bytes) and bool(self.bytes[at] & 1 << (number & 7))


class _Kept(msgspec.Struct):
    id: str


_kept = msgspec.json.Decoder(_Kept)


class Journal:
    """Use: `with Journal(out, job) as journal: journal.begin(...)`, then `write` inside a loop, and `await journal.finish()`."""

    def __init__(self, out: Path, job: bytes, *, sleep: Callable[[float], object] | None = None) -> None:
        self.out = out
        self.errors = errors_of(out)
        self.job = job
        self.ok, self.failed = Bits(), Bits()
        self.room = asyncio.Event()  # cleared while the disk is full
        self.room.set()
        self.told: Callable[[bool], object] = lambda full: None  # the disk is full; has room again
        self.files: dict[bool, _File] = {}
        self.pending = False
        self.failure: BaseException | None = None
        self.waiting: asyncio.Task[None] | None = None

    def __contains__(self, number: int) -> bool:
        return number in self.ok or number in self.failed

    def __enter__(self) -> Journal:
        """Open both files and lock them for this process. Raises UsageError, StartError, DiskFull."""
        try:
            for ok, path in ((True, self.out), (False, self.errors)):
                self.files[ok] = _File(path, stays_empty=ok)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def _close(self) -> None:
        for file in self.files.values():
            file.close()

    def begin(self, mode: Mode = "auto", *, retry_failed: bool = False) -> None:
        """Learn what is done. Raises UsageError where the files are another job's."""
        if mode == "restart":
            for file in self.files.values():
                file.cut(0)
            return
        for ok, file in self.files.items():
            file.mend(lambda raw, ok=ok: self._know(raw, ok))  # type: ignore[misc]
        if mode == "resume" and not (self.ok.count or self.failed.count):
            raise UsageError(f"there is nothing to resume at {self.out}: leave --resume out to begin")
        if retry_failed:
            self.failed = Bits()
            self.files[False].cut(0)  # those that fail again come back, and those that are not reached are run by the next run

    def _know(self, raw: bytes, ok: bool) -> bool:
        """Note a line of a file. False: it is no result."""
        try:
            id = _kept.decode(raw).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        number = number_of(id, self.job)
        if number is None:
            path = self.out if ok else self.errors
            raise UsageError(
                f"{path} holds results of another job (another input, model, or options that shape the requests): "
                "write to another file, or add --restart to begin anew and lose them"
            )
        (self.ok if ok else self.failed).add(number)
        return True

    # inside an event loop

    def write(self, number: int, data: bytes, ok: bool) -> None:
        """Append a line. Raises what went wrong with an earlier one, other than a full disk."""
        if self.failure is not None:
            raise self.failure
        (self.ok if ok else self.failed).add(number)
        self.files[ok].waiting.append(data)
        if not self.pending:
            self.pending = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self.pending = False
        if self.waiting is not None:
            return  # the disk is full; whoever waits for it writes
        try:
            self._write_all()
        except OSError as error:
            self._failed(error)

    def _write_all(self) -> None:
        for file in self.files.values():
            file.flush()

    def _failed(self, error: OSError) -> None:
        if error.errno not in FULL:
            self.failure = StartError(f"cannot write to {self.out} ({error.strerror}): what is in it stays; run the same command to go on")
            return
        if self.waiting is None:
            self.room.clear()
            self.told(True)
            self.waiting = asyncio.get_running_loop().create_task(self._until_there_is_room())

    async def _until_there_is_room(self) -> None:
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                try:
                    self._write_all()
                    return
                except OSError as error:
                    if error.errno not in FULL:
                        self._failed(error)
                        return
        finally:
            self.waiting = None
            self.room.set()
            self.told(False)

    async def keep_synced(self) -> None:
        """Bring what is written to the disk about once a second. Ends, with what is wrong, when it cannot go on."""
        while True:
            await asyncio.sleep(SYNC_EVERY)
            for file in self.files.values():
                await asyncio.to_thread(file.sync)
                file.check_its_place()
            if self.failure is not None:
                raise self.failure

    async def finish(self, patience: float | None) -> None:
        """Write and sync what is left; on a full disk for up to `patience` seconds (None: for ever). Raises DiskFull, StartError."""
        if self.pending:
            self._flush()
        if self.waiting is not None:
            await asyncio.wait({self.waiting}, timeout=patience)
        if self.waiting is not None:
            self.waiting.cancel()
            lost = sum(len(file.waiting) + file.half.count(b"\n") for file in self.files.values())
            for file in self.files.values():
                file.drop_half()
            raise DiskFull(
                f"the disk of {self.out} is full: {lost} results could not be written; make room and run the same command to go on"
            )
        if self.failure is not None:
            raise self.failure
        for file in self.files.values():
            await asyncio.to_thread(file.sync)


class _File:
    """One of the two, locked. `waiting` has lines that are not written yet. Empty it is left behind if it `stays_empty` and was there."""

    def __init__(self, path: Path, stays_empty: bool) -> None:
        self.path = path
        self.waiting: list[bytes] = []
        self.half = b""  # the rest of what a full disk took a part of
        self.synced = True
        self.goes_empty = not stays_empty or not path.exists()
        try:
            self.file: BinaryIO = open(path, "a+b", buffering=0)  # noqa: SIM115 as long as the journal
        except OSError as error:
            raise _cannot_write(path, error) from None
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise UsageError(f"{path} is being written by another `sllm batch`: wait for it, or write to another file") from None
        except OSError:
            pass  # a file system without locks
        self.size = os.fstat(self.file.fileno()).st_size  # when it was opened

    def mend(self, know: Callable[[bytes], bool]) -> None:
        """Show each line to `know`, and cut off what a kill or a power cut left half done. Raises UsageError."""
        with open(self.path, "rb", buffering=PIECE) as file:
            good = 0
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    break
                if not know(raw):
                    if b"\0" in raw:  # a power cut: the file has its length, and not its content
                        break
                    raise UsageError(
                        f"{self.path}, line {number} is no result of a batch: write to another file, or add --restart to overwrite it"
                    )
                good += len(raw)
        if good < self.size:
            self.cut(good)

    def cut(self, size: int) -> None:
        try:
            os.truncate(self.file.fileno(), size)
            os.fsync(self.file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self.size = size

    def flush(self) -> None:
        """Raises OSError; what was not written stays."""
        if self.waiting:
            data = self.half + b"".join(self.waiting)
            self.waiting.clear()
        else:
            data = self.half
        self.half = data
        while data:
            written = os.write(self.file.fileno(), data)
            self.synced = False
            data = self.half = data[written:]

    def sync(self) -> None:
        if not self.synced:
            self.synced = True
            try:
                os.fdatasync(self.file.fileno())
            except OSError as error:
                if error.errno not in FULL:
                    raise _cannot_write(self.path, error) from None
                self.synced = False

    def check_its_place(self) -> None:
        """Raise StartError where the file was moved or deleted: nobody would find what is written to it."""
        try:
            there = os.stat(self.path)
        except OSError:
            there = None
        mine = os.fstat(self.file.fileno())
        if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            raise StartError(f"{self.path} was moved or deleted while the job wrote to it: put it back and run the same command to go on")

    def drop_half(self) -> None:
        """Cut off a line that a full disk took only a part of."""
        if self.half:
            with contextlib.suppress(OSError), open(self.path, "rb") as file:
                end = size = file.seek(0, os.SEEK_END)
                while end:
                    start = max(0, end - PIECE)
                    file.seek(start)
                    at = file.read(end - start).rfind(b"\n")
                    if at >= 0:
                        end = start + at + 1
                        break
                    end = start
                if end < size:
                    os.truncate(self.file.fileno(), end)

    def close(self) -> None:
        empty = os.fstat(self.file.fileno()).st_size == 0
        if empty and self.goes_empty:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.file.close()


def errors_of(out: Path) -> Path:
    """OUT.jsonl -> OUT.errors.jsonl."""
    return out.with_name(f"{out.name.removesuffix('.jsonl')}.errors.jsonl")


def _cannot_write(path: Path, error: OSError) -> StartError:
    if error.errno in FULL:
        return DiskFull(f"the disk of {path} is full: make room, or write to another file")
    why = "its folder does not exist" if error.errno == errno.ENOENT else error.strerror
    return StartError(f"cannot write to {path} ({why}): check the folder and its permissions, or name another file")
