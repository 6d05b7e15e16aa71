"""What a stack needs of the machine before anything starts: a socket to listen on, a place for data, a private folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from server.errors import DiskFull, PortTaken, StartError

BACKLOG = 2048
LEAST_FREE = 64 * 2**20  # bytes of disk below which starting makes no sense
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
        pid = left.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"sllm-{os.getpid()}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
