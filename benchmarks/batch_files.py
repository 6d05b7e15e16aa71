"""A large file through /v1/files and /v1/batches: python -m benchmarks.batch_files

The gateway over an instant mock engine. A file of 50,000 lines and 200 MB is uploaded with the `openai` package, a batch is made
of it and run to its end. Measured: the upload, the validation (from the answer to `create` until the status is `in_progress`), the
whole run, and the resident memory of all the gateway's processes, every 50 ms, over what it was before the upload. The output file
is checked: each custom_id once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import openai
import typer
from rich.console import Console

from benchmarks.gateway import DATA_DIR, NO_CACHE, OURS, PROBE, start_mock
from benchmarks.processes import Server, free_port, resident, said_plainly
from benchmarks.provenance import keep, provenance, shown

MIB = 2**20
GOALS = {"validation_seconds": 10.0, "memory_growth_mib": 100.0}
PACKAGES = ("sllm-stack", "uvicorn", "openai", "msgspec")
STEP = 0.05  # seconds between two looks at the memory
WORDS = ("river", "서울", "winter", "가을", "market", "기차", "letter", "바다", "bread", "음악")
ENDED = ("completed", "failed", "expired", "cancelled")


def lines(file: Path, count: int, size: int, model: str) -> None:
    """`count` batch lines of `size` bytes together."""
    each = size // count
    with file.open("wb") as out:
        for number in range(count):
            body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": ""}]}
            line = {"custom_id": f"request-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            room = each - len(json.dumps(line)) - 1
            text = " ".join(WORDS[(number + place) % len(WORDS)] for place in range(room // 5))
            body["messages"] = [{"role": "user", "content": text.encode()[:room].decode(errors="ignore").ljust(8)}]
            out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


class Memory(threading.Thread):
    """Resident bytes of a server and all that it started, together, looked at every STEP."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.over = server, threading.Event()
        self.first = self._now()
        self.most = self.first
        self.start()

    def _now(self) -> int:
        return sum(resident(pid) for pid in self.server.pids())

    def run(self) -> None:
        while not self.over.wait(STEP):
            self.most = max(self.most, self._now())

    def growth(self) -> float:
        """MiB over the first look."""
        self.over.set()
        self.join()
        return (self.most - self.first) / MIB


def one(client: openai.OpenAI, server: Server, file: Path, count: int) -> dict[str, Any]:
    """Upload, validate, run, check. Raises RuntimeError."""
    memory = Memory(server)
    started = time.monotonic()
    uploaded = client.files.create(file=file, purpose="batch")
    upload = time.monotonic() - started
    started = time.monotonic()
    batch = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status == "validating":
        time.sleep(STEP)
        batch = client.batches.retrieve(batch.id)
    validation = time.monotonic() - started
    while batch.status not in ENDED:
        time.sleep(0.25)
        batch = client.batches.retrieve(batch.id)
    whole = time.monotonic() - started
    if batch.status != "completed" or not batch.output_file_id:
        raise RuntimeError(f"the batch is {batch.status}: {batch.errors}")
    ids: set[str] = set()
    with client.files.with_streaming_response.content(batch.output_file_id) as answer:
        written = 0
        for line in answer.iter_lines():
            ids.add(json.loads(line)["custom_id"])
            written += 1
    growth = memory.growth()
    if written != count or len(ids) != count or batch.error_file_id:
        raise RuntimeError(f"{written} lines with {len(ids)} ids in the output file, of {count}")
    client.files.delete(batch.output_file_id)
    client.files.delete(uploaded.id)
    row = {"upload_seconds": upload, "validation_seconds": validation, "run_seconds": whole, "lines_per_second": count / whole}
    return {key: round(value, 2) for key, value in (row | {"memory_growth_mib": growth}).items()}


def main(
    count: Annotated[int, typer.Option("--lines", min=1, help="Lines of the file.")] = 50_000,
    megabytes: Annotated[int, typer.Option(min=1, help="Its size in MB.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="How often, each with a new gateway.")] = 3,
    out: Annotated[Path | None, typer.Option(help="JSON file; by default a dated one in benchmarks/results/batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure what a large batch file costs: time to validate it, and memory."""
    console = Console(stderr=as_json)
    report: dict[str, Any] = {"benchmark": "batch files", "provenance": provenance(PACKAGES), "lines": count, "megabytes": megabytes}
    report |= {"command": shown(shlex.join([sys.executable, "-m", "benchmarks.batch_files", *sys.argv[1:]])), "goals": GOALS, "rounds": []}
    cores = os.sched_getaffinity(0)
    with said_plainly(console), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batch.jsonl"
        lines(file, count, megabytes * 10**6, "mock")
        for number in range(rounds):
            mock, port = start_mock(max(cores)), free_port()
            with tempfile.TemporaryDirectory() as data:
                command = OURS.format(upstream=f"http://127.0.0.1:{mock.port}", port=port)
                server = Server("gateway", command, port, cores, {DATA_DIR: data, **NO_CACHE})
                try:
                    server.wait_until("/v1/chat/completions", PROBE, 60)
                    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", timeout=600) as client:
                        row = one(client, server, file, count)
                finally:
                    server.stop()
                    mock.stop()
            report["rounds"].append({"round": number, **row})
            console.print(", ".join(f"{key.replace('_', ' ')} {value:,.2f}" for key, value in row.items()))
    for key, goal in GOALS.items():
        worst = max(row[key] for row in report["rounds"])
        console.print(f"{key.replace('_', ' ')}: at most {worst:,.2f}, goal {goal:g}: {'met' if worst <= goal else 'missed'}")
    keep(report, out, "batch", "files", as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
