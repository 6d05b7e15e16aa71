"""How many streamed events/s one core of the load generator takes in: python -m benchmarks.loadgen_pace

The server is benchmarks/mock.py on another core: streams that stand ready in its memory, one write an event. Each concurrency is
measured twice: `paced`, at a rate below what either side can do, so that every event is a read of its own (the dearest case, and
an engine's); and `flood`, as fast as the two can, where events that wait are read together. The side whose core is full is the
limit; "neither": both waited, for each other or for a machine that does other work.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.loadgen.client import run
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.loadgen.target import Target
from benchmarks.processes import Server, fetch, free_port, on_cores, said_plainly
from benchmarks.provenance import keep, provenance
from benchmarks.stats import spread

GOAL = 50_000  # events/s that one core of the generator can take in, by its CPU time an event
PACES = {1: 1.0, 16: 1.0, 64: 2.0, 256: 8.0, 1024: 32.0}  # concurrency: ms between two events of a stream; 32,000 events/s at most
EVENTS = 256  # of a stream
FULL = 0.97  # of a core: it is the limit


def measured(level: Level, server_cpu: float, pace: float) -> dict[str, Any]:
    """The figures of one level; `server_cpu`: seconds that the server used meanwhile, `pace`: ms, 0: none.

    Raises RuntimeError for a failed request.
    """
    wrong = next((record for record in level.records if record.error), None)
    if wrong is not None:
        raise RuntimeError(f"the mock server's answer {wrong.index} failed: {wrong.error} ({wrong.detail})")
    events = sum(len(record.times) for record in level.records)
    reads = sum(len(set(record.times)) for record in level.records)
    delay, server = level.delay, server_cpu / level.seconds
    return {
        "events_per_second": round(events / level.seconds),
        "events_per_read": round(events / reads, 2),
        "cpu_us_per_event": round(delay.cpu * level.seconds / events * 1e6, 2),
        "events_per_core_second": round(events / (delay.cpu * level.seconds)),
        "server_cpu": round(server, 2),
        "limit": "generator" if delay.cpu >= FULL else "server" if server >= FULL else "pace" if pace else "neither",
        "delay": {name: round(value, 3) for name, value in asdict(delay).items()},
    }


def rounds_of(port: int, server: Server, concurrency: int, pace: float, seconds: float, count: int) -> list[dict[str, Any]]:
    """`count` rounds of closed-loop streams for `seconds`; `pace`: ms between two events of a stream, 0: none."""
    fetch(port, f"/control?pace_ms={pace:g}")
    body = json.dumps({"model": "mock", "stream": True, "max_tokens": EVENTS, "messages": [{"role": "user", "content": "?"}]})
    requests = [Request("/v1/chat/completions", body.encode(), output_tokens=EVENTS)]
    found = []
    for number in range(count + 1):
        load = Load("closed", concurrency=concurrency, seconds=seconds if number else 0.3)
        before = server.cpu_seconds()
        level = run(run_level(Target(port=port), requests, load, seed=0, timeout=60.0))
        if number:  # the first is a warm-up
            found.append(measured(level, server.cpu_seconds() - before, pace))
    return found


def main(
    concurrency: Annotated[list[int] | None, typer.Option(help="Streams at a time; several times for several.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a round.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each.")] = 3,
    out: Annotated[Path | None, typer.Option(help="JSON file; by default benchmarks/results/bench/DATE-loadgen.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure what the load generator itself costs."""
    console = Console(stderr=as_json)
    with said_plainly(console):
        report = _measure(concurrency or list(PACES), seconds, rounds, console)
    keep(report, out, "bench", "loadgen", as_json=as_json)


def _measure(concurrencies: list[int], seconds: float, rounds: int, console: Console) -> dict[str, Any]:
    mine, *others = sorted(os.sched_getaffinity(0))
    report: dict[str, Any] = {"benchmark": "loadgen", "provenance": provenance(("sllm-stack", "httptools", "msgspec", "uvloop"))}
    report |= {"goal_events_per_core_second": GOAL, "events_a_stream": EVENTS, "seconds": seconds, "rounds": rounds, "levels": []}
    table = Table("streams", "", "events/s", "a read", "CPU us an event", "events/s a core", "limit", "loop late p50 / p99, ms")
    port = free_port()
    server = Server("the mock", f"{shlex.quote(sys.executable)} -m benchmarks.mock --port {port}", port, set(others[:1]))
    try:
        server.wait_until("/health", None, 20.0)
        with on_cores({mine}):
            for streams in concurrencies:
                for name, pace in (("paced", PACES.get(streams, streams / 32)), ("flood", 0.0)):
                    with console.status(f"{streams} streams, {name}"):
                        found = rounds_of(port, server, streams, pace, seconds, rounds)
                    report["levels"].append({"streams": streams, "load": name, "pace_ms": pace, "rounds": found})
                    table.add_row(str(streams), name, *_cells(found))
    finally:
        server.stop()
    console.print(table)
    return report


def _cells(found: list[dict[str, Any]]) -> list[str]:
    def middle(key: str) -> float:
        return spread([one[key] for one in found]).median

    late = [spread([one["delay"][key] for one in found]).median for key in ("loop_p50", "loop_p99")]
    figures = [f"{middle('events_per_second'):,.0f}", f"{middle('events_per_read'):.2f}", f"{middle('cpu_us_per_event'):.2f}"]
    return [*figures, f"{middle('events_per_core_second'):,.0f}", found[-1]["limit"], f"{late[0]:.2f} / {late[1]:.2f}"]


if __name__ == "__main__":
    typer.run(main)
