"""What an answer from the cache costs, and what a miss does: python -m benchmarks.cache

Our gateway three times over one mock engine: with its cache as it comes, with SQLite as the only level (`cache.memory: 0`),
and with the cache off, which is the measure for misses; and LiteLLM's proxy with its own cache, where it is installed
(`python -m benchmarks.peers --cache`). The gateways have one core, mock and client another; in each
round every subject is measured once, in alternating order. How many requests reached the mock is checked each time: a hit
that was forwarded, or a miss that was not, is an error and no figure.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import peers
from benchmarks.gateway import DATA_DIR, OURS, PACKAGES, start, start_mock
from benchmarks.load import Result, Vary, chat_request, check_answer, check_stream, load
from benchmarks.processes import TICKS as TICKS_A_SECOND
from benchmarks.processes import Server, fetch, machine_ticks, on_cores, own_cpu_seconds, said_plainly
from benchmarks.provenance import provenance, result_file, shown
from benchmarks.scenarios import Subject, order
from benchmarks.stats import percentile, ratios, spread

MARK = b"question"  # of the request's text: replaced by a number of as many digits
_numbers = itertools.count(1)  # no request that is to be new was ever sent before
CACHED, ALONE, OFF, LITELLM = "cache", "sqlite alone", "cache off", "litellm"
ENVIRONMENTS = {CACHED: {}, ALONE: {"SLLM_CACHE__MEMORY": "0"}, OFF: {"SLLM_CACHE__STORE": "off"}}


@dataclass(frozen=True)
class Scenario:
    """`new`: every request differs. `of`: the subjects that are measured. `goal`: of the first of them, or of its ratio to the second."""

    name: str
    of: tuple[str, ...]
    metric: str
    goal: tuple[str, float]
    concurrency: int = 16
    events: int = 0
    new: bool = False


SCENARIOS = (
    Scenario("hits", (CACHED,), "per_second", (">=", 12_000)),
    Scenario("hit latency", (CACHED,), "p50_ms", ("<=", 0.25), concurrency=1),
    Scenario("hits, stream of 66 events", (CACHED,), "per_second", (">=", 5_000), events=66),
    Scenario("hits, sqlite alone", (ALONE,), "per_second", (">=", 4_000)),
    Scenario("misses", (CACHED, OFF), "per_second", (">=", 0.9), new=True),
    Scenario("misses, stream of 66 events", (CACHED, OFF), "per_second", (">=", 0.9), events=66, new=True),
    Scenario("hits beside LiteLLM", (CACHED, LITELLM), "per_second", (">=", 1)),
    Scenario("hit latency beside LiteLLM", (CACHED, LITELLM), "p50_ms", ("<=", 1), concurrency=1),
    Scenario("misses beside LiteLLM", (CACHED, LITELLM), "per_second", (">=", 1), new=True),
)


def varied(request: bytes) -> Vary:
    """`request` with a number that was never sent before in its text, of the same length."""
    head, _, tail = request.partition(MARK)
    return lambda _: b"%b%08d%b" % (head, next(_numbers), tail)


async def _load(scenario: Scenario, subject: Subject, seconds: float) -> Result:
    request = chat_request(subject.target, scenario.events)
    check = check_stream(scenario.events) if scenario.events else check_answer
    vary = varied(request) if scenario.new else None
    return await load(subject.target, request, check, concurrency=scenario.concurrency, seconds=seconds, vary=vary)


def _forwarded(mock: Server) -> int:
    return int(json.loads(fetch(mock.port, "/control")[1])["requests"])


async def measure(scenario: Scenario, subject: Subject, number: int, seconds: float, warm: float, mock: Server) -> dict[str, Any]:
    """One round. Raises RuntimeError when an answer came from where it must not."""
    assert subject.server is not None
    await _load(scenario, subject, warm)
    time.sleep(0.3)  # noqa: ASYNC251 what warming up has left to write is written; nothing else runs in this loop
    forwarded = _forwarded(mock)
    gc.collect()
    gc.disable()
    ticks, cpu, own, began = sum(machine_ticks()), subject.server.cpu_seconds(), mock.cpu_seconds() + own_cpu_seconds(), time.monotonic()
    result = await _load(scenario, subject, seconds)
    wall = time.monotonic() - began
    used = subject.server.cpu_seconds() - cpu
    others = (sum(machine_ticks()) - ticks) / TICKS_A_SECOND - used - (mock.cpu_seconds() + own_cpu_seconds() - own)
    gc.enable()
    forwarded = _forwarded(mock) - forwarded
    right = forwarded == result.requests if scenario.new else forwarded == 0
    if not right or result.errors or not result.requests:
        raise RuntimeError(
            f"{subject.name}, {scenario.name}: {result.requests} answers, of which {forwarded} from the engine; {dict(result.errors)}"
        )
    return {
        "scenario": scenario.name,
        "subject": subject.name,
        "round": number,
        "requests": result.requests,
        "forwarded": forwarded,
        "per_second": round(result.requests / result.seconds, 1),
        "p50_ms": round(percentile(result.latencies, 50) / 1e6, 4),
        "p99_ms": round(percentile(result.latencies, 99) / 1e6, 4),
        "cpu_us": round(used / result.requests * 1e6, 1),
        "busy": round(used / wall, 3),
        "elsewhere": round(max(0.0, others / wall), 3),
    }


async def at_once(subject: Subject, mock: Server, count: int, events: int) -> dict[str, Any]:
    """`count` identical streams begun at once, and paced so that all are begun before the first ends: how many are generated."""
    fetch(mock.port, "/control?pace_ms=20")
    request = varied(chat_request(subject.target, events))(0)
    before = _forwarded(mock)
    result = await load(subject.target, request, check_stream(events), concurrency=count, limit=count)
    fetch(mock.port, "/control?pace_ms=0")
    return {"requests": result.requests, "errors": dict(result.errors), "generations": _forwarded(mock) - before}


def summary(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a scenario: the figure that has a goal, its median, low and high over the rounds."""
    rows: list[dict[str, Any]] = []
    for scenario in SCENARIOS:
        some = [[r for r in rounds if r["scenario"] == scenario.name and r["subject"] == subject] for subject in scenario.of]
        if not all(some):
            continue
        figures = [[float(r[scenario.metric]) for r in sorted(each, key=lambda r: int(r["round"]))] for each in some]
        figure = spread(ratios(*figures) if len(figures) == 2 else figures[0])
        sign, bound = scenario.goal
        rows.append(
            {
                "scenario": scenario.name,
                "subject": " over ".join(scenario.of),
                "metric": "ratio" if len(figures) == 2 else scenario.metric,
                "median": round(figure.median, 4),
                "low": round(figure.low, 4),
                "high": round(figure.high, 4),
                "goal": f"{sign} {bound:g}",
                "met": figure.median >= bound if sign == ">=" else figure.median <= bound,
                "medians": {subject: round(spread(f).median, 4) for subject, f in zip(scenario.of, figures, strict=True)},
                "cpu_us": {each[0]["subject"]: spread([r["cpu_us"] for r in each]).median for each in some},
                "elsewhere": round(spread([r["elsewhere"] for each in some for r in each]).median, 2),
            }
        )
    return rows


def show(report: dict[str, Any], console: Console) -> None:
    table = Table("scenario", "subject", "median", "low to high", "goal", "met", "CPU µs", "noise")
    for row in report["summary"]:
        digits = 0 if row["metric"] == "per_second" else 3
        unit = {"per_second": "/s", "p50_ms": " ms", "ratio": ""}[row["metric"]]
        span = f"{row['low']:,.{digits}f} to {row['high']:,.{digits}f}"
        cpu = " / ".join(f"{value:.0f}" for value in row["cpu_us"].values())
        met = "[green]yes[/]" if row["met"] else "[red]no[/]"
        table.add_row(
            row["scenario"], row["subject"], f"{row['median']:,.{digits}f}{unit}", span, row["goal"], met, cpu, f"{row['elsewhere']:.2f}"
        )
    console.print(table)
    once = report["at_once"]
    console.print(f"{once['requests']} identical requests at once: {once['generations']} generation(s)")


def main(
    gateway: Annotated[str, typer.Option(help="Command of our gateway.")] = OURS,
    only: Annotated[list[str] | None, typer.Option(help="Only scenarios whose name holds this.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each scenario.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.05, help="Seconds of each measurement.")] = 2.0,
    warm: Annotated[float, typer.Option(min=0.05, help="Seconds of warm-up before each.")] = 0.5,
    gateway_core: Annotated[int, typer.Option(help="Core of the gateways.")] = 0,
    client_core: Annotated[int, typer.Option(help="Core of the mock engine and the load client.")] = 1,
    out: Annotated[Path | None, typer.Option(help="JSON file of the report; by default a dated one in benchmarks/results/cache.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure hits, misses and single flight of our gateway."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 150)
    scenarios = [s for s in SCENARIOS if not only or any(part in s.name for part in only)]
    if not scenarios:
        raise typer.BadParameter(f"--only takes a part of {', '.join(s.name for s in SCENARIOS)}")
    where = provenance(PACKAGES)
    with said_plainly(console), contextlib.ExitStack() as stack:
        mock = start_mock(client_core)
        stack.callback(mock.stop)
        subjects: dict[str, Subject] = {}
        for name, environ in ENVIRONMENTS.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            subjects[name] = start(name, gateway, mock, gateway_core, {**environ, DATA_DIR: folder}, None)
            stack.callback(subjects[name].stop)
        config = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "litellm.yaml"
        if peer := peers.litellm(f"http://127.0.0.1:{mock.port}", config):
            subjects[LITELLM] = start(LITELLM, peer, mock, gateway_core, peers.LITELLM_ENVIRON, None)
            subjects[LITELLM].setup.update(
                command=subjects[LITELLM].setup["command"].replace(str(config), config.name),
                version=peers.LITELLM_VERSION,
                config=config.read_text(),
            )
            stack.callback(subjects[LITELLM].stop)
        else:
            console.print("LiteLLM is not installed: ours is measured alone (`python -m benchmarks.peers --cache` installs it)")
        time.sleep(1.0)  # what upstreams serve is asked in the background
        with on_cores({client_core}):
            found, once = uvloop.run(_all(scenarios, subjects, mock, rounds, seconds, warm))
        report: dict[str, Any] = {
            "benchmark": "cache",
            "provenance": where,
            "command": shown(shlex.join([sys.executable, "-m", "benchmarks.cache", *sys.argv[1:]])),
            "setup": {
                "cores": {"gateway": gateway_core, "mock and client": client_core},
                "seconds": seconds,
                "warm_up_seconds": warm,
                "subjects": {name: subject.setup for name, subject in subjects.items()},
            },
            "summary": summary(found),
            "at_once": once,
            "memory": {name: subject.memory() for name, subject in subjects.items()},
            "rounds": found,
        }
    out = out or result_file("cache")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report)) if as_json else show(report, console)
    if once["generations"] != 1 or not all(row["met"] for row in report["summary"]):
        raise typer.Exit(1)


async def _all(
    scenarios: list[Scenario], subjects: dict[str, Subject], mock: Server, rounds: int, seconds: float, warm: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found = []
    for scenario, number, subject in _plan(scenarios, subjects, rounds):
        found.append(await measure(scenario, subject, number, seconds, warm, mock))
    return found, await at_once(subjects[CACHED], mock, 100, 40)


def _plan(scenarios: list[Scenario], subjects: dict[str, Subject], rounds: int) -> Iterator[tuple[Scenario, int, Subject]]:
    for scenario in scenarios:
        for number in range(rounds if subjects.keys() >= set(scenario.of) else 0):
            for subject in order([subjects[name] for name in scenario.of], number):
                yield scenario, number, subject


if __name__ == "__main__":
    typer.run(main)
