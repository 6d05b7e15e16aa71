"""A checkpoint is made in a folder beside its own and renamed at the very end: there is a whole one or none.

DIR                        the checkpoint
DIR.log                    what the libraries said; locked while a run works on DIR
.DIR.partial-XXXXXXXX/     the unfinished checkpoint and its scratch space
.DIR.before                the old checkpoint for a moment, where two folders cannot be exchanged in one step
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quantize.errors import QuantizeError, Refused, UsageError

AT_FDCWD, RENAME_EXCHANGE = -100, 2
PATIENCE = 3.0  # seconds: a run that was killed a moment ago is still being cleaned up


@dataclass(frozen=True)
class Aside:
    """Where one run works. `folder` holds everything and goes at the end; `lock` is a descriptor that keeps others away."""

    out: Path
    folder: Path
    checkpoint: Path
    scratch: Path
    log: Path
    lock: int

    def make(self) -> None:
        """Make the folders. Who removes them should be there already."""
        self.checkpoint.mkdir(parents=True)
        self.scratch.mkdir()


def log_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def check(out: Path, source: Path, force: bool) -> None:
    """Whether `out` may be made. Raises UsageError."""
    if out == source or out in source.parents:
        raise UsageError(f"--out {out} holds the model itself: give another folder, such as --out {source.name}-quantized")
    if out.is_dir() and any(out.iterdir()):
        if not force:
            raise UsageError(f"{out} exists: give another --out, or --force to replace it")
        if not (out / "sllm.json").is_file():
            raise UsageError(f"{out} was not made by `sllm quantize` (it has no sllm.json), so --force leaves it: give another --out")
    elif out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: give --out a folder that is not there yet")
    above = next(folder for folder in out.parents if folder.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise UsageError(f"cannot write to {above}: give --out a place where you may")


@contextlib.contextmanager
def lock(out: Path, patience: float = PATIENCE) -> Iterator[int]:
    """Keep other runs away from `out`: a descriptor of its log, emptied and locked. Raises Refused when one is at it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log_of(out), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + patience
        while not _locked(file):
            if time.monotonic() > end:
                raise Refused(f"another run is making {out}: wait for it, or give another --out")
            time.sleep(0.05)
        os.ftruncate(file, 0)
        yield file
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def beside(out: Path, held: int) -> Aside:
    """Folders beside `out`, whose lock `held` is; they are not made yet. What dead runs have left there is removed."""
    _tidy(out)
    folder = out.with_name(f".{out.name}.partial-{secrets.token_hex(4)}")
    return Aside(out, folder, folder / "checkpoint", folder / "scratch", log_of(out), held)


def _tidy(out: Path) -> None:
    """Nobody else is at `out`: unfinished folders are dead runs', and an old checkpoint put aside is one that was interrupted."""
    before = out.with_name(f".{out.name}.before")
    if before.exists() and not out.exists():
        os.rename(before, out)
    for left in (before, *out.parent.glob(f".{_literal(out.name)}.partial-*")):
        shutil.rmtree(left, ignore_errors=True)


def _literal(name: str) -> str:
    """`name` inside a glob pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where this file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    return hasattr(libc, "renameat2") and libc.renameat2(AT_FDCWD, bytes(one), AT_FDCWD, bytes(other), RENAME_EXCHANGE) == 0


def publish(aside: Aside, force: bool, exchange: Callable[[Path, Path], bool] = _exchange) -> None:
    """Give the checkpoint its name, in one step. An old one under that name goes into `aside.folder`. Raises QuantizeError."""
    _flush(aside.checkpoint)
    try:
        if not force or not aside.out.exists():
            os.rename(aside.checkpoint, aside.out)
        elif not exchange(aside.checkpoint, aside.out):
            before = aside.out.with_name(f".{aside.out.name}.before")
            os.rename(aside.out, before)
            os.rename(aside.checkpoint, aside.out)
            os.rename(before, aside.folder / "before")
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise UsageError(f"{aside.out} has come into being meanwhile: give another --out, or --force to replace it") from None
        raise QuantizeError(f"cannot rename the checkpoint to {aside.out}: {error.strerror}; check the folder and start again") from None
    _sync(aside.out.parent)


def _flush(folder: Path) -> None:
    """Put every file on the disk: a rename may be there before the bytes after a loss of power."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
