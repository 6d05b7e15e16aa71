"""`sllm guard test`: the figures of a list of guards over labelled texts, as tables or JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import guards as package
from server.errors import UsageError
from server.guards import evaluate
from server.guards.base import Side
from server.nearest import did_you_mean
from server.terminal import guardtools
from server.terminal.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from server.guards.evaluate import Line
    from server.guards.policy import Guard, Policies
    from server.settings import Settings

DATA = Path(package.__file__).parent / "data"
WIDTH = 160  # of tables that go into a file
Unit = str  # "span" or "text"


def test(
    settings: Settings, file: str, side: Side, only: list[str], model: str | None, url: str | None, unit: Unit | None, *, as_json: bool
) -> None:
    """Measure the guards (`only` these, by name) on a file, or on shipped texts. Raises ConfigError, StartError, UnreadableTexts."""
    guardtools.nothing_to_do(settings)
    path = located(file)
    lines = evaluate.read(path)
    report = asyncio.run(_measured(settings, lines, side, only, guardtools.chosen(settings, model), url, quiet=as_json))
    report = {"file": path.name, **report, "unit": unit or report["unit"]}
    if report["unit"] == "span" and all(line.spans is None for line in lines):
        raise UsageError(f"{path} labels no spans: write --unit text")
    print_json(report) if as_json else show(report)


def located(file: str) -> Path:
    """A path, or the name of texts that come with the project. Raises UsageError."""
    shipped = {path.stem: path for path in sorted(DATA.glob("*.jsonl"))}
    if not Path(file).exists() and file in shipped:
        return shipped[file]
    if not Path(file).exists() and "/" not in file and "." not in file:
        raise UsageError(f"no file '{file}', and no texts of that name come with the project: {did_you_mean(file, shipped)}")
    return Path(file)


def chosen(policies: Policies, side: Side, only: list[str], model: str | None) -> list[Guard]:
    """Raises UsageError."""
    policy = policies.of(model) if model is not None else None
    guards = [g for g in policies.guards if g.side == side] if model is None else list(getattr(policy, side, []))
    known = [guard.name for guard in guards]
    for name in only:
        if name not in known:
            raise UsageError(f"no guard '{name}' judges the {side}: {did_you_mean(name, known)}")
    if not guards:
        raise UsageError(f"no guard judges the {side}: write --side {'output' if side == 'input' else 'input'}")
    return [guard for guard in guards if not only or guard.name in only]


async def _measured(
    settings: Settings, lines: list[Line], side: Side, only: list[str], model: str | None, url: str | None, *, quiet: bool
) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress

    async with guardtools.opened(settings, url) as policies:
        guards = chosen(policies, side, only, model)
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as progress:
            task = progress.add_task("judging", total=len(lines))
            return await evaluate.run(guards, lines, side, lambda: progress.advance(task))


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def show(report: dict[str, Any]) -> None:
    """The tables for people."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    spans = report["unit"] == "span"
    console.print(
        f"{report['file']}: {report['texts']} texts, {report['positive']} to be found"
        + (f" with {report['spans']} spans" if spans else "")
        + f", {report['texts'] - report['positive']} clean; judged as {report['side']}",
        highlight=False,
    )
    names = ["precision", "recall", "F1", *(("F1 tolerant", "covered") if spans else ("recall at 1% FP",))]
    table = Table("guard", *names, "FP on clean", "p50 ms", "p99 ms", "ms/KiB", "errors")
    rows = [*report["guards"].items(), *([("all together", report["all"])] if len(report["guards"]) > 1 else [])]
    for name, figures in rows:
        table.add_row(name, *_figures(figures, spans), _clean(figures["texts"]), *_times(figures["latency"]), str(figures["errors"]))
    console.print(table)
    for name, figures in rows:
        if at := figures.get("held_out"):
            console.print(
                f"{name}: at {at['threshold']:.3f}, chosen on the tune half for 1% of false positives, the held-out half has "
                f"recall {percent(at['recall'])} and {percent(at['false_positive_rate'])} of false positives",
                highlight=False,
            )
    for group in evaluate.GROUPS:
        _show_groups(console, Table(group, "texts", *names, "FP on clean"), report["all"].get(f"by_{group}", {}), spans)
    if spans:
        table = Table("category", "labelled", "precision", "recall", "F1")
        for name, score in report["all"]["by_category"].items():
            table.add_row(escape(name), str(score["tp"] + score["fn"]), *(percent(score[key]) for key in ("precision", "recall", "f1")))
        console.print(table)


def _show_groups(console: Console, table: Any, groups: dict[str, Any], spans: bool) -> None:
    from rich.markup import escape

    for name, figures in groups.items():
        table.add_row(escape(name), str(figures["lines"]), *_figures(figures, spans), _clean(figures["texts"]))
    if groups:
        console.print(table)


def _figures(figures: dict[str, Any], spans: bool) -> Iterable[str]:
    if spans:
        exact, overlap = figures["exact"], figures["overlap"]
        rates = [exact["precision"], exact["recall"], exact["f1"], overlap["f1"], figures["characters_covered"]]
    else:
        texts = figures["texts"]
        rates = [texts["precision"], texts["recall"], texts["f1"], texts.get("at_1_percent", {}).get("recall")]
    return map(percent, rates)


def _clean(texts: dict[str, Any]) -> str:
    return f"{percent(texts['false_positive_rate'])} ({texts['fp']} of {texts['clean']})" if texts["clean"] else "-"


def _times(latency: dict[str, float]) -> Iterable[str]:
    return (f"{latency[key]:.3g}" for key in ("p50_ms", "p99_ms", "ms_per_kib"))
