"""The gateway as the supervisor starts it: `python -m server.gateway` on a listening socket."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.settings import ROOT, parse
from server.state import HOPELESS
from tests.scripted import Scripted, scripted_in_thread

BODY = {"model": "m", "messages": []}


@pytest.fixture
def engine() -> Iterator[Scripted]:
    with scripted_in_thread() as scripted:
        yield scripted


class Workers:
    """`count` processes on one socket, as children of `parent` or of this process."""

    def __init__(self, folder: Path, engine: Scripted, count: int = 1) -> None:
        settings = parse({"models": [{"name": "m", "upstreams": [engine.url]}], "gateway": {"workers": count}, "cache": {"store": "off"}})
        (folder / "settings.json").write_text(settings.model_dump_json())
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        fd = self.listener.fileno()
        self.words = [sys.executable, "-m", "server.gateway", "--fd", str(fd), "--settings", str(folder / "settings.json")]
        self.processes = [
            subprocess.Popen(self.words, pass_fds=(fd,), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(count)
        ]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self.listener.close()


def test_it_serves_and_ends_on_sigterm(engine: Scripted, tmp_path: Path) -> None:
    with Workers(tmp_path, engine) as workers:
        assert httpx.post(f"{workers.url}/v1/chat/completions", json=BODY, timeout=30).status_code == 200
        (process,) = workers.processes
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b'"status":200' in said  # the log was written out before the end


def test_several_workers_tell_their_metrics_together(engine: Scripted, tmp_path: Path) -> None:
    count = 8
    with Workers(tmp_path, engine, count=2) as workers:
        for _ in range(count):  # a connection each, so that both get some
            assert httpx.post(f"{workers.url}/v1/chat/completions", json=BODY, timeout=30).status_code == 200
        deadline = time.monotonic() + 20
        wanted = f'sllm_requests_total{{model="m",route="/v1/chat/completions",status="200"}} {count}.0'
        while wanted not in httpx.get(f"{workers.url}/metrics", timeout=30).text:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on the parent's death is Linux's")
def test_it_ends_with_its_parent(engine: Scripted, tmp_path: Path) -> None:
    with Workers(tmp_path, engine, count=1) as workers:
        fd = workers.listener.fileno()
        script = f"import subprocess; p = subprocess.Popen({workers.words!r}, pass_fds=({fd},)); print(p.pid, flush=True); p.wait()"
        parent = subprocess.Popen(
            [sys.executable, "-c", script], pass_fds=(fd,), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert parent.stdout
        pid = int(parent.stdout.readline())
        while b"server.gateway" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            time.sleep(0.01)
        listening = time.monotonic() + 30
        while not Path(f"/proc/{pid}/maps").read_text().count("httptools"):  # imports are done late in its start
            assert time.monotonic() < listening
            time.sleep(0.02)
        parent.kill()
        parent.communicate()
        deadline = time.monotonic() + 20
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                if state in "ZX":
                    break
                assert time.monotonic() < deadline
                time.sleep(0.02)


MISSING = "guard 'classifier': the classifier '/nonexistent/x' is no folder: check `model`."


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (
            {"models": [{"name": "m", "upstreams": ["ftp://a"]}]},
            "model 'm': upstream 'ftp://a': write http://host:port, https://host or unix:/path.sock",
        ),
        ({"models": [{"name": "m", "upstreams": ["http://a"]}], "guards": [{"kind": "classifier", "model": "/nonexistent/x"}]}, MISSING),
    ],
)
def test_what_cannot_start_ends_it_with_a_sentence(configuration: dict[str, Any], said: str, tmp_path: Path) -> None:
    settings = parse(configuration)
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        words = [sys.executable, "-m", "server.gateway", "--fd", str(fd), "--settings", str(tmp_path / "settings.json")]
        ended = subprocess.run(words, pass_fds=(fd,), cwd=ROOT, capture_output=True, timeout=60)
    assert ended.returncode == HOPELESS
    assert ended.stderr.decode().strip() == said
