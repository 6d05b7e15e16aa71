"""A real Valkey server, or Redis where the system has no Valkey, on a Unix socket in a folder of the test."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest


def program() -> str:
    """Installed by requirements/install.py --dev."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        pytest.fail("no Valkey or Redis server: run `make setup`, which installs Debian's package (apt-get install valkey-server)")
    return found


class ValkeyServer:
    """Nothing is written to disk. Its folder's path must be short: a Unix socket's name has 107 bytes."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        said = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no", "--dir", str(self.socket.parent)]
        self.process = subprocess.Popen([program(), *said, *options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self.answers():
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(5) in (b"+PONG", b"-NOAU")
        except OSError:
            return False

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
