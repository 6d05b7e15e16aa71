"""What a stack needs of the machine before anything starts: a socket to listen on, a place for data, a private folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from server.errors import DiskFull, PortTaken, StartError

BACKLOG = 2048
LEAST_FREE = 64 * 2**20  # bytes of disk below which starting makes no sense
LOCK = "lock"  # held by the stack whose run folder it lies in
NEW = 60.0  # seconds
LONGEST_BASE = 60  # a Unix socket's path has 108 bytes at most


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port` that listens and can be inherited. Raises PortTaken, StartError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # localhost is both ::1 and 127.0.0.1; clients expect the latter.
        family, kind, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    except (OSError, UnicodeError):
        raise StartError(f"'{host}' is no address of this machine: try --host 127.0.0.1, or --host 0.0.0.0 for every network") from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} is taken: choose another with --port {port + 1}, or --port 0 for a free one") from None
        if error.errno == errno.EACCES:
            raise StartError(f"port {port} needs root: choose one from 1024 up, such as --port 8000") from None
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}; check --host and --port") from None
    listener.set_inheritable(True)
    return listener


def url(host: str, port: int) -> str:
    """The base URL that a person on this machine can call."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def check_data_dir(folder: Path) -> None:
    """Make `folder` and write to it. Raises DiskFull, StartError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".write-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"the disk of {folder} is full: free space, or set `gateway.data_dir` to another disk") from None
        raise StartError(f"cannot write to {folder} ({error.strerror}): set `gateway.data_dir` to a folder of yours") from None
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise DiskFull(f"the disk of {folder} has {free // 2**20} MiB left: free space, or set `gateway.data_dir` to another disk")


@contextlib.contextmanager
def private() -> Iterator[Path]:
    """A new folder that only this user can enter, with a short path, gone at the end; left-overs of dead stacks go too."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base)) > LONGEST_BASE or not os.access(base, os.W_OK):
        base = Path("/tmp")
    for left in base.glob("sllm-*-*"):
        if left.name.split("-")[1].isdigit() and _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"sllm-{os.getpid()}-", dir=base))
    try:
        with (folder / "lock.new").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(folder / "lock.new", folder / LOCK)  # nobody sees it unlocked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    """Whether the stack of a run folder is gone. The kernel drops its lock with it, also where it is in another container whose
    process ids mean nothing here. A folder without a lock has just been made, unless it is old."""
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            return time.time() - folder.stat().st_mtime > NEW
        return False
    except OSError:  # held, or another user's
        return False
