"""Gateway workers in processes of their own, over one data folder, that a test kills and starts again."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from server.settings import ROOT, parse
from tests.scripted import CHAT, Reply, Request

PATH = "/v1/chat/completions"


def line(custom_id: str, text: str = "Hello", **other: Any) -> dict[str, Any]:
    """One line of a batch file."""
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": PATH,
        "body": {"model": "m", "messages": [{"role": "user", "content": text}]},
        **other,
    }


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


class Upstream:
    """A script that counts how often each text was asked, and holds answers while `gate` is clear."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.seen: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()

    async def __call__(self, request: Request, reply: Reply) -> None:
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
            return
        text = request.json["messages"][-1]["content"]
        self.seen[text] += 1
        await asyncio.sleep(self.seconds)
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        answer = {"index": 0, "message": {"role": "assistant", "content": f"<{text}>"}, "finish_reason": "stop"}
        await reply.json({**CHAT, "choices": [answer]})


class Gateways:
    """`count` workers on one socket. `slots` are their processes."""

    def __init__(self, folder: Path, upstream: str, count: int, **batch: Any) -> None:
        configuration = {
            "models": [{"name": "m", "upstreams": [upstream]}],
            "gateway": {"workers": count, "data_dir": str(folder / "data"), "drain_timeout": "5s", "access_log": False},
            "cache": {"store": "off"},
            "batch": batch,
        }
        folder.mkdir(exist_ok=True)
        (folder / "settings.json").write_text(parse(configuration).model_dump_json())
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        fd = self.listener.fileno()
        self.words = [sys.executable, "-m", "server.gateway", "--fd", str(fd), "--settings", str(folder / "settings.json")]
        self.slots = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("ab")
        with log:
            return subprocess.Popen(self.words, pass_fds=(self.listener.fileno(),), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=log)

    def kill(self, slot: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End one, and wait for that."""
        self.slots[slot].send_signal(how)
        self.slots[slot].wait(30)

    def start(self, slot: int) -> None:
        self.slots[slot] = self._start()

    def close(self) -> None:
        for process in self.slots:
            process.kill()
            process.wait()
        self.listener.close()

    def said(self) -> str:
        time.sleep(0.5)  # what is said after an answer
        return (self.folder / "log").read_text()

    # what a client does; each on a connection of its own, so that whoever lives answers

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60)

    def create(self, data: bytes, **body: Any) -> str:
        """Upload and create; the batch's id."""
        file = httpx.post(f"{self.url}/v1/files", files={"file": ("in.jsonl", data)}, data={"purpose": "batch"}, timeout=60).json()
        wanted = {"input_file_id": file["id"], "endpoint": PATH, "completion_window": "24h", **body}
        return str(httpx.post(f"{self.url}/v1/batches", json=wanted, timeout=60).json()["id"])

    def batch(self, batch_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/batches/{batch_id}").json())

    def until(self, batch_id: str, *statuses: str, within: float = 60) -> dict[str, Any]:
        end = time.monotonic() + within
        while (batch := self.batch(batch_id)).get("status") not in statuses:
            assert "error" not in batch and time.monotonic() < end, (batch, self.said())  # noqa: PT018
            time.sleep(0.05)
        return batch

    def lines(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        return [json.loads(one) for one in self.get(f"/v1/files/{file_id}/content").text.splitlines()]


@contextmanager
def gateways(folder: Path, upstream: str, count: int = 2, **batch: Any) -> Iterator[Gateways]:
    running = Gateways(folder, upstream, count, **batch)
    try:
        yield running
    finally:
        running.close()
