"""The product itself under test: `sllm serve MODEL` in a process of its own, for as long as it is measured.

    with Stack("models/demo", ["--max-num-seqs", "8"]) as stack:
        ... stack.url (through the gateway), stack.engine_target (the engine alone), stack.model, stack.metrics(), stack.log()

The process dies with this one, however this one goes: it asks the kernel for SIGTERM when the thread that started it is gone,
and the supervisor's own guardian sees to the engine. So it is started on the main thread.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.parent import die_with_parent, environment, module
from benchmarks.provenance import ROOT

DEMO = ROOT / "models/demo"  # what `sllm serve` serves where nothing is named
SLLM = tuple(module("sllm"))
TOLD = 20.0  # seconds for the gateway to learn that the engine is ready
ENDING = 30.0  # seconds for the supervisor to end its engine before it is killed
# One start and no request log: a model that does not come up at once is a result, not something to wait for.
CONFIG: dict[str, Any] = {"restart": {"attempts": 1}, "gateway": {"access_log": False, "drain_timeout": "2s"}}
USAGE = 2  # exit code of wrong usage
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_EVERYWHERE = {"engine", "model_name"}  # labels of the engine's that tell no two samples of a series apart


class Stack:
    """One model behind one gateway, cache off. `model` as `sllm serve` takes it; None: the demo model. `flags`: the engine's own.

    `config` is laid over CONFIG, section by section (`models:` may stand in it, `model` is then a name of them). `logs`: where the
    engine's log is kept; without it only the log of a failed start is. Raises BenchError, BenchUsageError with the cause when it
    does not come up.
    """

    def __init__(
        self,
        model: str | None,
        flags: Sequence[str] = (),
        *,
        config: Mapping[str, Any] | None = None,
        logs: Path | None = None,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = SLLM,
    ):
        self.wanted, self.flags, self.logs, self.command = model, list(flags), logs, list(command)
        self.config, self.environ = merged(CONFIG, config or {}), dict(environ or {})
        if logs:
            logs.mkdir(parents=True, exist_ok=True)
        # Beside the logs: whoever removes those after a SIGKILL of this process removes it too.
        self.scratch = Path(tempfile.mkdtemp(prefix=".stack-" if logs else "sllm-bench-", dir=logs))
        self.process: subprocess.Popen[str] | None = None
        self.url = self.engine_target = self.model = ""
        self.ready_seconds = 0.0  # from the command's start to the ready line

    def __enter__(self) -> Stack:
        try:
            self._start()
        except BaseException as error:
            self.stop(keep=isinstance(error, BenchError))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the stack's process still runs."""
        return self.process is not None and self.process.poll() is None

    def ended(self, within: float) -> str | None:
        """Why the stack ended, where it does within so many seconds; None: it goes on."""
        assert self.process is not None
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            return None
        return self._kept_where(cause((self.scratch / "serve.log").read_text(errors="replace")))

    def _start(self) -> None:
        (self.scratch / "sllm.yaml").write_text(json.dumps(self.config), encoding="utf-8")  # JSON is YAML
        words = ["serve", *([self.wanted] if self.wanted else []), "--port", "0", "--host", "127.0.0.1", "--json"]
        words += ["--config", str(self.scratch / "sllm.yaml"), "--data-dir", str(self.scratch), "--", *self.flags]
        began = time.monotonic()
        with (self.scratch / "serve.log").open("wb") as said:
            self.process = subprocess.Popen(
                [*self.command, *words],
                env={**environment(), "SLLM_CACHE__STORE": "off", **self.environ},  # the engine is measured, not what it said before
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C in the terminal is for us, and we end it
                preexec_fn=die_with_parent(os.getpid()),
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            data = _json(line)
            if data.get("event") == "ready":
                self.ready_seconds = time.monotonic() - began
                served = data["models"][0]
                self.url, self.model, self.engine_target = data["address"], served["name"], served.get("engine", "")
                self._until_the_gateway_knows()
                return
            if "error" in data:
                self.process.wait()
                raise self._failed(data["error"]["message"], data["error"].get("exit_code", 1))
        self.process.wait()
        raise self._failed(cause((self.scratch / "serve.log").read_text(errors="replace")), 1)

    def _until_the_gateway_knows(self) -> None:
        """The ready line comes from the supervisor; the gateway reads the same news from a file a moment later."""
        end = time.monotonic() + TOLD
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if get(self.url, "/ready")[0] == 200:
                    return
            if time.monotonic() > end:
                raise self._failed("it was ready, and then it was not: start it with `sllm serve`, and read what it says", 1)
            time.sleep(0.05)

    def _failed(self, sentence: str, code: int) -> BenchError:
        """The CLI's own sentence, with the engine's log where it will be kept."""
        kind = BenchUsageError if code == USAGE else BenchError
        return kind(f"{self.wanted or 'the demo model'} cannot be measured: {self._kept_where(sentence)}")

    def _kept_where(self, sentence: str) -> str:
        return sentence.replace(str(self.scratch / "logs"), str(self.logs)) if self.logs else sentence

    def log(self) -> str:
        """All that the engine has written."""
        return "".join(file.read_text(errors="replace") for file in sorted((self.scratch / "logs").glob("engine-*.log")))

    def metrics(self) -> dict[str, float]:
        """The engine's own /metrics: each series' sum under its name, and each of its samples under `name{label="value"}` where
        labels other than engine and model tell them apart. Raises BenchError where the engine does not tell."""
        try:
            status, body = get(self.engine_target, "/metrics")
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"the engine does not tell its metrics ({error}): its log: {self.logs or self.scratch / 'logs'}") from None
        if status != 200:
            raise BenchError(f"the engine does not tell its metrics (status {status}): its log: {self.logs or self.scratch / 'logs'}")
        return series(body.decode("utf-8", "replace"))

    def server(self) -> dict[str, Any]:
        """What stands in a document under provenance.server: address, model, engine version, context, flags."""
        version = max_model_len = None
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
            version = json.loads(get(self.engine_target, "/version")[1])["version"]
            max_model_len = json.loads(get(self.engine_target, "/v1/models")[1])["data"][0]["max_model_len"]
        return {
            "url": "the engine's Unix socket",  # its path is another one at each start
            "model": self.model,
            "engine": f"vllm {version}" if version else None,
            "max_model_len": max_model_len,
            "flags": {"engine": self.flags, "speculative": (self.config.get("models") or [{}])[0].get("speculative")},
        }

    def stop(self, keep: bool = False) -> None:
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
        if self.logs and self.scratch.is_dir():
            for file in (self.scratch / "logs").glob("engine-*.log"):
                shutil.copyfile(file, self.logs / file.name)
        if self.logs or not keep or not any(self.scratch.glob("logs/engine-*.log")):
            shutil.rmtree(self.scratch, ignore_errors=True)


def model_folder(model: str | None) -> Path | None:
    """The folder on this disk that `model` means (None: the demo model's); None for a hub id."""
    folder = Path(model).expanduser() if model else DEMO
    return folder.resolve() if folder.is_dir() else None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, mapping by mapping."""
    both = {
        key: merged(base[key], value) for key, value in over.items() if isinstance(base.get(key), Mapping) and isinstance(value, Mapping)
    }
    return {**base, **over, **both}


def get(address: str, path: str, timeout: float = 10.0) -> tuple[int, bytes]:
    """Status and body of a GET to `unix:/path.sock` or http://host:port. Raises OSError, http.client.HTTPException."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "localhost", where.port or 80, timeout=timeout)
    if address.startswith("unix:"):
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(timeout)
    try:
        if address.startswith("unix:"):
            connection.sock.connect(address.removeprefix("unix:"))
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def series(text: str) -> dict[str, float]:
    """A Prometheus exposition as numbers; keys as Stack.metrics() says."""
    found: dict[str, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        try:
            number = float(value)
        except ValueError:
            continue
        found[name] = found.get(name, 0.0) + number
        own = ",".join(f'{label}="{said}"' for label, said in _LABEL.findall(labels) if label not in _EVERYWHERE)
        if own:
            key = f"{name}{{{own}}}"
            found[key] = found.get(key, 0.0) + number
    return found


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
