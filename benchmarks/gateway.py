"""Our gateway, a peer and none, side by side in one run: python -m benchmarks.gateway

The gateways have one core, the mock engine and the load client another. All stay up for the whole run; in each round
every subject is measured once, in alternating order, and ratios are taken within a round.
A command may hold {upstream} (the mock's base URL), {port} and {free} (a free port).
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks import peers
from benchmarks import report as reports
from benchmarks.load import Target
from benchmarks.processes import Server, free_port, on_cores, raise_file_limit, said_plainly
from benchmarks.provenance import provenance, result_file, shown, version_of
from benchmarks.scenarios import SCENARIOS, Measurement, Scenario, Subject, measure, most_streams, order, warm_up

PACKAGES = ("sllm-stack", "uvicorn", "fastapi", "starlette", "uvloop", "httptools", "pydantic", "msgspec")
OURS = f"{shlex.quote(sys.executable)} -m sllm gateway --upstream {{upstream}} --model mock --port {{port}}"
NO_CACHE = {"SLLM_CACHE__STORE": "off"}  # what is measured is forwarding; benchmarks/cache.py measures the cache
DATA_DIR = "SLLM_GATEWAY__DATA_DIR"  # a folder of its own for each gateway; removed at the end
PROBE = b'{"model":"mock","messages":[{"role":"user","content":"ready?"}],"max_tokens":16}'


def start_mock(core: int) -> Server:
    port = free_port()
    mock = Server("mock", f"{shlex.quote(sys.executable)} -m benchmarks.mock --port {port}", port, {core})
    mock.wait_until("/health", None, 20)
    return mock


def start(name: str, template: str, mock: Server, core: int, environ: dict[str, str], log: str | None) -> Subject:
    """A gateway in front of the mock, ready: it has answered a request. Raises RuntimeError when it does not."""
    port = free_port()
    command = template.format(upstream=f"http://127.0.0.1:{mock.port}", port=port, free=free_port())
    server = Server(name, command, port, {core}, environ, log)
    try:
        server.wait_until("/v1/chat/completions", PROBE, 60)
    except BaseException:
        server.stop()
        raise
    setup = {"command": shown(template), **{k: v for k, v in environ.items() if k != DATA_DIR}}
    python = Path(shlex.split(command)[0]).with_name("python")
    if name.startswith(peers.PACKAGE) and python.exists() and (version := version_of(peers.PACKAGE, str(python))):
        setup["version"] = version
    return Subject(name, Target(port), server, setup)


async def rounds_of(
    scenarios: list[Scenario], subjects: list[Subject], mock: Server, rounds: int, seconds: float, warm: float, say: Callable[[str], None]
) -> list[Measurement]:
    found: list[Measurement] = []
    for scenario in scenarios:
        for number in range(1 if scenario.once else rounds):
            for subject in order(subjects, number):
                say(f"{scenario.name}, round {number + 1}, {subject.name}")
                await warm_up(scenario, subject, warm)
                found.append(await measure(scenario, subject, number, seconds, mock))
    return found


def main(
    gateway: Annotated[str, typer.Option(help="Command of our gateway.")] = OURS,
    peer: Annotated[list[str] | None, typer.Option(help="NAME=COMMAND of another gateway; several times for several.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this scenario: " + ", ".join(s.name for s in SCENARIOS))] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each scenario.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.05, help="Seconds of each measurement.")] = 2.0,
    warm: Annotated[float, typer.Option(min=0, help="Seconds of warm-up before each.")] = 0.5,
    gateway_core: Annotated[int, typer.Option(help="Core of the gateways.")] = 0,
    mock_core: Annotated[int, typer.Option(help="Core of the mock engine.")] = 1,
    client_core: Annotated[int, typer.Option(help="Core of the load client.")] = 1,
    quiet: Annotated[bool, typer.Option(help="Also measure our gateway with its access log off.")] = True,
    log: Annotated[str | None, typer.Option(help="File for what the gateways print; else /dev/null.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file of the report; by default a dated one in benchmarks/results/gateway.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure our gateway beside others and beside none."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 140)
    others = [p.partition("=") for p in (peers.commands() if peer is None else peer)]
    if not others:
        console.print("no peer: `python -m benchmarks.peers` installs vllm-router; or name one with --peer NAME=COMMAND")
    scenarios = [s for s in SCENARIOS if not only or s.name in only]
    if not scenarios:
        raise typer.BadParameter(f"--only takes {', '.join(s.name for s in SCENARIOS)}")
    where = provenance(PACKAGES)
    wanted: list[tuple[str, str, dict[str, str]]] = [("sllm", gateway, NO_CACHE)] + (
        [("sllm, access log off", gateway, {**NO_CACHE, "SLLM_GATEWAY__ACCESS_LOG": "false"})] if quiet else []
    )
    with said_plainly(console), contextlib.ExitStack() as stack:
        mock = start_mock(mock_core)
        stack.callback(mock.stop)
        subjects = [Subject("none", Target(mock.port))]
        for name, command, environ in wanted + [(name, command, {}) for name, _, command in others]:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            subjects.append(start(name, command, mock, gateway_core, {**environ, DATA_DIR: folder}, log))
            stack.callback(subjects[-1].stop)
        raise_file_limit()  # of the client only: the gateways keep the shell's
        total = len(subjects) * sum(1 if s.once else rounds for s in scenarios)
        with Progress(console=console, transient=True) as progress, on_cores({client_core}):
            task = progress.add_task("", total=total)
            say = lambda text: progress.update(task, description=text, advance=1)  # noqa: E731
            found = uvloop.run(rounds_of(scenarios, subjects, mock, rounds, seconds, warm, say))
        report: dict[str, Any] = {
            "benchmark": "gateway",
            "provenance": where,
            "command": shown(shlex.join([sys.executable, "-m", "benchmarks.gateway", *sys.argv[1:]])),
            "setup": {
                "cores": {"gateway": gateway_core, "mock": mock_core, "client": client_core},
                "seconds": seconds,
                "warm_up_seconds": warm,
                "logs": log or "/dev/null",
                "subjects": {s.name: s.setup for s in subjects},
            },
            "summary": reports.summary(found),
            "ratios": reports.compare(found, [w[0] for w in wanted], [p[0] for p in others]),
            "memory": {s.name: s.memory() for s in subjects if s.server},
            "most_streams": most_streams(mock),
            "rounds": [m.as_dict() for m in found],
        }
    out = out or result_file("gateway")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    if as_json:
        print(json.dumps(report))
    else:
        reports.show(report, console)
    if wrong := sum(row["wrong"] for row in report["summary"]):
        console.print(f"[red]{wrong} wrong answers[/]: see `errors` in the rounds")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
