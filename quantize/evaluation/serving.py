"""One model served by the product itself, in a process of its own, for as long as it is measured.

    with Serving(folder) as served:
        ... served.address, served.model, served.ready_seconds, served.log()

The process dies with this one, however this one goes: it asks the kernel for SIGTERM when its parent is gone, and the
supervisor's own guardian sees to the engine (server/engine/guardian.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2
import yaml

from quantize.errors import EvaluationError

PR_SET_PDEATHSIG = 1
TOLD = 20.0  # seconds for the gateway to learn that the engine is ready
ENDING = 30.0  # seconds for the supervisor to end its engine before it is killed
# One start and no request log: a model that does not come up at once is a result, not something to wait for.
CONFIG = {"restart": {"attempts": 1}, "gateway": {"access_log": False, "drain_timeout": "2s"}}


class Serving:
    """`flags` are the engine's own. Raises EvaluationError with the cause when the model does not come up.

    `logs` is where the engine's log is kept; without it only the log of a failed start is, in the system's temporary folder.
    """

    def __init__(self, folder: Path, flags: Sequence[str] = (), logs: Path | None = None, name: str | None = None):
        self.folder, self.flags, self.logs = folder, list(flags), logs
        self.name = name or folder.resolve().name
        if logs:
            logs.mkdir(parents=True, exist_ok=True)
        # Beside the logs: whoever removes those after a SIGKILL of this process removes it too.
        self.scratch = Path(tempfile.mkdtemp(prefix=".serving-" if logs else "sllm-evaluate-", dir=logs))
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Serving:
        try:
            self._start()
        except BaseException as error:
            self.close(keep=isinstance(error, EvaluationError))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        (self.scratch / "sllm.yaml").write_text(yaml.safe_dump(CONFIG))
        words = ["serve", str(self.folder.resolve()), "--port", "0", "--host", "127.0.0.1", "--json"]
        words += ["--config", str(self.scratch / "sllm.yaml"), "--data-dir", str(self.scratch), "--", *self.flags]
        began = time.monotonic()
        with (self.scratch / "serve.log").open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sllm", *words],
                env={**os.environ, "SLLM_CACHE__STORE": "off"},  # the engine is measured, not what it said before
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C in the terminal is for us, and we end it
                preexec_fn=_die_with(os.getpid()),
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            data = _json(line)
            if data.get("event") == "ready":
                self.ready_seconds = time.monotonic() - began
                self.address: str = data["address"]
                self.model: str = data["models"][0]["name"]
                self.kind: str = data["models"][0]["kind"]
                self._until_the_gateway_knows()
                return
            if "error" in data:
                self.process.wait()
                raise EvaluationError(f"{self.name} cannot be measured: {self._cause(data['error']['message'])}")
        self.process.wait()
        said_last = (self.scratch / "serve.log").read_text(errors="replace")
        raise EvaluationError(f"{self.name} cannot be measured: {self._cause(cause(said_last))}")

    def _until_the_gateway_knows(self) -> None:
        """The ready block comes from the supervisor; the gateway reads the same news from a file a moment later."""
        end = time.monotonic() + TOLD
        while httpx2.get(f"{self.address}/ready", trust_env=False).status_code != 200:
            if time.monotonic() > end:
                raise EvaluationError(
                    f"{self.name} cannot be measured: it was ready, and then it was not: start it with `sllm serve`, and read what it says"
                )
            time.sleep(0.05)

    def _cause(self, sentence: str) -> str:
        """The sentence with the engine's log where it will be kept."""
        return sentence.replace(str(self.scratch / "logs"), str(self.logs)) if self.logs else sentence

    def log(self) -> str:
        """All that the engine has written."""
        return "".join(file.read_text(errors="replace") for file in sorted((self.scratch / "logs").glob("engine-*.log")))

    def close(self, keep: bool = False) -> None:
        """End the stack and wait for it. The scratch folder goes as well, unless a log in it was named and is kept nowhere else."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(ENDING)
                self.process.kill()
                self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()
        if self.logs:
            for file in (self.scratch / "logs").glob("engine-*.log"):
                shutil.copyfile(file, self.logs / file.name)
        if self.logs or not keep:
            shutil.rmtree(self.scratch, ignore_errors=True)


def cause(said: str) -> str:
    """The last thing that went wrong, from what `sllm serve` printed: `12:00:00 NAME: failed: SENTENCE` or `error: SENTENCE`."""
    found = re.findall(r"^(?:\d\d:\d\d:\d\d [^\n]*?: failed[^:\n]*: |error: )(.+)$", said, re.MULTILINE)
    lines = [line for line in said.splitlines() if line.strip()]
    return str(found[-1]) if found else (lines[-1] if lines else "it ended without a word")


def _json(line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _die_with(parent: int) -> Any:
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it went before we asked
            os._exit(1)

    return in_child
