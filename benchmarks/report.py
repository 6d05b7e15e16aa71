"""The gateway benchmark's summary: medians with spread, ratios round by round, goals; a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scenarios import SCENARIOS, Measurement
from benchmarks.stats import ratios, spread

MIB = 2**20
# Ours over the peer's, the median of the rounds; and memory. From the project's plan.
GOALS = {"requests": (">=", 0.9), "latency": ("<=", 1.15), "streams": (">=", 0.9)}
MEMORY_GOAL = 200 * MIB


def summary(rounds: Iterable[Measurement]) -> list[dict[str, Any]]:
    """One row a scenario and subject: the compared metric's median, low and high, and the CPU time a request."""
    rows = []
    for scenario, subject, some in _groups(rounds):
        metric = next(s.metric for s in SCENARIOS if s.name == scenario)
        figure, cpu = spread([getattr(m, metric) for m in some]), spread([m.cpu_us for m in some])
        rows.append(
            {
                "scenario": scenario,
                "subject": subject,
                "metric": metric,
                "rounds": len(some),
                "median": round(figure.median, 4),
                "low": round(figure.low, 4),
                "high": round(figure.high, 4),
                "p99_ms": round(spread([m.p99_ms for m in some]).median, 3),
                "cpu_us": round(cpu.median, 1),
                "busy": round(spread([m.busy for m in some]).median, 2),
                "elsewhere": round(spread([m.elsewhere for m in some]).median, 2),
                "requests": sum(m.requests for m in some),
                "wrong": sum(sum(m.errors.values()) for m in some),
            }
        )
    return rows


def compare(rounds: Iterable[Measurement], ours: list[str], peers: list[str]) -> list[dict[str, Any]]:
    """Ours over each peer: the ratio of every round, their median and spread, and the goal where there is one."""
    groups = {(scenario, subject): some for scenario, subject, some in _groups(rounds)}
    rows = []
    for scenario in SCENARIOS:
        for mine, peer in ((m, p) for m in ours for p in peers):
            a, b = groups.get((scenario.name, mine), []), groups.get((scenario.name, peer), [])
            if scenario.once or not a or len(a) != len(b):
                continue
            each = ratios([getattr(m, scenario.metric) for m in a], [getattr(m, scenario.metric) for m in b])
            sign, bound = GOALS[scenario.name]
            figure = spread(each)
            row = {"scenario": scenario.name, "ours": mine, "peer": peer, "ratio": round(figure.median, 3)}
            cpu = [m.cpu_us / p.cpu_us for m, p in zip(a, b, strict=True) if p.cpu_us]
            row |= {"cpu_ratio": round(spread(cpu).median, 3) if cpu else None}
            row |= {"low": round(figure.low, 3), "high": round(figure.high, 3), "goal": f"{sign} {bound}"}
            rows.append(row | {"met": figure.median >= bound if sign == ">=" else figure.median <= bound})
    return rows


def show(report: dict[str, Any], console: Console) -> None:
    """The report as tables."""
    table = Table("scenario", "gateway", "median", "low to high", "p99 ms", "CPU µs", "core busy", "noise", "wrong")
    last = ""
    for row in report["summary"]:
        new = row["scenario"] != last
        if new:
            table.add_section()
        unit, digits = (" ms", 3) if row["metric"].endswith("ms") else ("/s", 0)
        low_high = f"{row['low']:,.{digits}f} to {row['high']:,.{digits}f}"
        cells = [f"{row['median']:,.{digits}f}{unit}", low_high, f"{row['p99_ms']:.2f}", f"{row['cpu_us']:.0f}" if row["cpu_us"] else "-"]
        cells += [f"{row['busy']:.0%}" if row["busy"] else "-", f"{row['elsewhere']:.2f}", str(row["wrong"])]
        table.add_row(row["scenario"] if new else "", row["subject"], *cells)
        last = row["scenario"]
    _print(console, table)
    if report["ratios"]:
        table = Table("ours over the peer", "ours", "peer", "ratio", "low to high", "goal", "met", "CPU")
        for row in report["ratios"]:
            verdict = "[green]yes[/]" if row["met"] else "[red]no[/]"
            cpu = f"{row['cpu_ratio']:.2f}" if row["cpu_ratio"] else "-"
            span = f"{row['low']:.2f} to {row['high']:.2f}"
            table.add_row(row["scenario"], row["ours"], row["peer"], f"{row['ratio']:.2f}", span, row["goal"], verdict, cpu)
        _print(console, table)
    for name, memory in report["memory"].items():
        peak, every = (memory[key] / MIB for key in ("peak_bytes", "all_bytes"))
        over = "" if memory["peak_bytes"] <= MEMORY_GOAL else f" (goal: {MEMORY_GOAL // MIB})"
        console.print(f"{name}: peak memory {peak:.0f} MiB{over}, {every:.0f} with all its processes")
    console.print(f"most streams at once: {report['most_streams']:,}")
    console.print("CPU µs: the gateway's, a request or stream. Noise: cores kept busy by other programs; above 0.2 take the ratios only.")


def _print(console: Console, table: Table) -> None:
    for column in table.columns:
        column.no_wrap = True
    console.print(table)


def _groups(rounds: Iterable[Measurement]) -> list[tuple[str, str, list[Measurement]]]:
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in rounds:
        groups.setdefault((measurement.scenario, measurement.subject), []).append(measurement)
    return [(*key, sorted(some, key=lambda m: m.round)) for key, some in groups.items()]
