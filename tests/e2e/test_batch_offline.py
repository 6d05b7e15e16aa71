"""`sllm batch --model` as a person runs it over a night in which everything happens: one job, one file, the real engine.

The engine is killed under it, the command is killed, a line is wrong, one is too long for the model; at the end each line has
its result once, and nothing runs any more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.guardian import descendants
from server.settings import ROOT
from tests.e2e.running import START, alive, title, until

pytestmark = pytest.mark.engine

LINES, TOKENS = 400, 48
QUESTION = "What is the capital of South Korea?"


class Job:
    """`sllm batch IN OUT --model demo` in a folder of its own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.input, self.out, self.errors = (folder / name for name in ("in.jsonl", "out.jsonl", "out.errors.jsonl"))
        (folder / "run").mkdir()

    def start(self, *flags: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "sllm", "batch", str(self.input), str(self.out), "--model", str(self.model), "--json", *flags]
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "HF_HUB_OFFLINE": "1",
            "SLLM_GATEWAY__DATA_DIR": str(self.folder / "data"),
            "SLLM_CACHE__STORE": "off",
            "SLLM_RESTART__FIRST": "100ms",
        }
        with (self.folder / "said.log").open("a") as said:
            self.process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True
            )
        return self.process

    def told(self) -> str:
        return (self.folder / "said.log").read_text()

    def results(self, file: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]] if file.exists() else []

    def done(self) -> int:
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0


@pytest.fixture
def job(chat_model: Path) -> Iterator[Job]:
    folder = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))  # short: sockets are in it
    job = Job(folder, chat_model)
    yield job
    if job.process.poll() is None:
        job.process.kill()
        job.process.communicate()
    shutil.rmtree(folder, ignore_errors=True)


def request(number: int, **body: Any) -> str:
    asked = {"model": "demo", "messages": [{"role": "user", "content": f"{QUESTION} ({number})"}], "max_tokens": TOKENS, "ignore_eos": True}
    row = {"custom_id": f"id-{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked | body}
    return json.dumps(row) + "\n"


@pytest.mark.timeout(900)
def test_a_job_survives_its_engine_and_itself(job: Job) -> None:
    rows = [request(number) for number in range(1, LINES + 1)]
    rows[9] = '{"custom_id": "id-10", "method": "POST"\n'
    rows[19] = request(20, messages=[{"role": "user", "content": "word " * 20_000}])
    rows[29] = request(30, model="gpt-4o")
    job.input.write_text("".join(rows))

    process = job.start("--concurrency", "8")  # slowly, so that there is time to disturb it
    until(lambda: job.done() > 20 or process.poll() is not None, START, job.told)
    (engine, *_) = [pid for pid in descendants(process.pid) if "EngineCore" in title(pid)]
    os.kill(engine, signal.SIGKILL)
    seen = job.done()
    until(lambda: job.done() > seen + 20 or process.poll() is not None, START, job.told)
    tree = [process.pid, *descendants(process.pid)]
    process.kill()
    process.communicate()
    until(lambda: not any(map(alive, tree)), 20, lambda: [title(pid) for pid in tree if alive(pid)])
    kept = {row["custom_id"]: row["id"] for row in job.results(job.out)}
    assert 40 < len(kept) < LINES

    process = job.start()
    out, _ = process.communicate(timeout=START)
    said = json.loads(out)
    assert process.returncode == 1, job.told()
    assert (said["lines"], said["ok"], said["failed"], said["left"]) == (LINES, LINES - 3, 3, 0)
    assert said["done_before"] >= len(kept)

    results, errors = job.results(job.out), job.results(job.errors)
    ids = [row["custom_id"] for row in (*results, *errors) if row["custom_id"]]
    assert len(ids) == len(set(ids))
    assert {row["line"] for row in errors} == {10, 20, 30}
    told = {row["line"]: row for row in errors}
    assert told[10]["error"]["code"] == "invalid_json_line"
    assert told[20]["response"]["body"]["error"]["code"] == "context_length_exceeded"
    assert told[30]["error"]["code"] == "model_not_found"
    assert all(row["response"]["body"]["usage"]["completion_tokens"] == TOKENS for row in results)
    assert {row["custom_id"]: row["id"] for row in results}.items() >= kept.items()
