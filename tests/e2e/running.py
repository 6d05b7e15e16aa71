"""A stack as a user starts it, `sllm serve --config FILE`, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from openai import OpenAI

from server.engine.guardian import descendants
from server.settings import ROOT
from server.state import EngineState, StackState, read_state

START = 240.0  # seconds; two engines on two busy cores


class Stack:
    """`folder` gets the configuration, the data folder, the run folder and what the stack printed."""

    def __init__(self, folder: Path, config: dict[str, Any], *flags: str):
        self.folder = folder
        self.clients: list[OpenAI] = []
        self.data_dir = folder / "data"
        gateway = {"data_dir": str(self.data_dir), **config.get("gateway", {})}
        config = {"cache": {"store": "off"}, **config}  # most tests are about the engine
        (folder / "sllm.yaml").write_text(yaml.safe_dump({**config, "gateway": gateway}))
        (folder / "run").mkdir()
        self.log = folder / "stack.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sllm", "serve", "--config", str(folder / "sllm.yaml"), "--port", "0", *flags],
                cwd=ROOT,
                env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "run"), "HF_HUB_OFFLINE": "1"},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def base_url(self) -> str:
        """http://127.0.0.1:PORT, as soon as the gateway listens."""
        return until(lambda: re.search(r"listening on (http://\S+)", self.said()), 20, self.said)[1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def state(self) -> StackState:
        """What the supervisor tells the gateway."""
        (file,) = (self.folder / "run").glob("sllm-*/state.json")
        return read_state(file) or StackState()

    def engine(self, model: str) -> EngineState:
        return self.state().engines[model]

    def ready(self, restarts: int = 0) -> Stack:
        """Wait until every engine is ready, having been started again `restarts` times in all."""

        def well() -> bool:
            assert self.process.poll() is None, self.said()
            engines = self.state().engines.values()
            return bool(engines) and all(e.phase == "ready" for e in engines) and sum(e.restarts for e in engines) >= restarts

        self.base_url  # noqa: B018 the run folder is there once the gateway listens
        until(well, START, self.said)
        until(lambda: status(f"{self.base_url}/ready") == 200, 10, self.said)  # the gateway has read it as well
        return self

    def client(self, **options: Any) -> OpenAI:
        """A client of this stack; `stop` closes it."""
        client = OpenAI(base_url=f"{self.base_url}/v1", api_key="none", max_retries=0, timeout=120, **options)
        self.clients.append(client)
        return client

    def pids(self) -> list[int]:
        """The whole process tree: supervisor, workers, guardians, engines."""
        return [self.pid, *descendants(self.pid)]

    def named(self, name: str) -> list[int]:
        """Those of the tree whose title or command line contains `name`."""
        return [pid for pid in self.pids() if name in title(pid)]

    def engine_log(self, model: str) -> str:
        return (self.data_dir / "logs" / f"engine-{model}.log").read_text(errors="replace")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL of whatever is left."""
        for client in self.clients:
            client.close()
        tree = self.pids()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in tree:
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def until(look: Any, within: float, otherwise: Any = lambda: "") -> Any:
    """Call `look` until what it gives is true; what it gave. Fails after `within` seconds with what `otherwise` says."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def all_gone(pids: list[int], within: float = 15) -> bool:
    """Whether every process of `pids` ends within `within` seconds."""
    end = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def status(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def metric(stack: Stack, name: str) -> float:
    """The sum of a Prometheus series over its labels, from the gateway's /metrics."""
    with urllib.request.urlopen(f"{stack.base_url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return sum(float(v) for v in re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def ask(stack: Stack, model: str, text: str, **options: Any) -> Any:
    """One chat completion, greedy."""
    return stack.client().chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **{"temperature": 0, "max_tokens": 24, **options}
    )


def read_config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))
