"""A comparison as lines for a terminal, at most WIDTH columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics import noise
from benchmarks.reports.differences import Table

if TYPE_CHECKING:
    from benchmarks.reports.compare import Comparison, Figure, Matched

WIDTH = 120
HEAD = f"  {'':<20}{'A':>11}{'B':>11}{'B / A':>9}  {'95 % interval':<17}verdict"


def lines(comparison: Comparison) -> list[str]:
    """Set-ups, notes, all loads together, each load, what only one has, tables, and a count of the verdicts."""
    found = [*_head(comparison), *_set_up(comparison.set_up)]
    for note in comparison.notes:
        found += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
    if comparison.together:
        found += ["", f"All {len(comparison.levels)} loads together (geometric means)", HEAD, *map(_figure, comparison.together)]
    for level in comparison.levels:
        found += ["", *_level(level)]
    for table in comparison.tables:
        found += ["", *_table(table)]
    for name, only in (("A", comparison.only_a), ("B", comparison.only_b)):
        if only:
            found += ["", *textwrap.wrap(f"Only {name} has: {', '.join(only)}", WIDTH, subsequent_indent="  ")]
    if comparison.levels:
        words = [figure.verdict.word for level in comparison.levels for figure in level.figures]
        counted = ", ".join(f"{words.count(word)} {word}" for word in ("better", "worse", "within noise", "cannot tell"))
        found += ["", f"B against A: {counted}."]
    return found


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _head(comparison: Comparison) -> Iterator[str]:
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        status = "" if side["status"] == "complete" else "  PARTIAL"
        yield cut(f"{name}  {side['date']}  {side['command']}{status}", WIDTH)


def _set_up(differ: Sequence[tuple[str, str, str]]) -> list[str]:
    if not differ:
        return ["", "The set-ups do not differ in anything that was recorded."]
    name_width = min(max(len(name) for name, *_ in differ), 40)
    width = (WIDTH - name_width - 8) // 2
    rows = [
        f"  {cut(name, name_width):<{name_width}}  {cut(a, width):<{min(width, 36)}}  {cut(b, width)}".rstrip() for name, a, b in differ
    ]
    return ["", "The set-ups differ (A, B):", *(cut(row, WIDTH) for row in rows), ""]


def _level(level: Matched) -> Iterator[str]:
    rounds = f"{level.rounds[0]}" if level.rounds[0] == level.rounds[1] else f"{level.rounds[0]} and {level.rounds[1]}"
    yield f"{level.name} ({rounds} round{'' if rounds == '1' else 's'})"
    for name, why in zip("AB", level.partial, strict=True):
        if why:
            yield cut(f"  {name} is partial here: {why}", WIDTH)
    if any(level.failed):
        yield f"  failed requests: {level.failed[0]} in A, {level.failed[1]} in B; latencies are of completed ones only"
    yield HEAD
    yield from map(_figure, level.figures)


def _figure(figure: Figure) -> str:
    verdict = figure.verdict
    ratio = f"{verdict.ratio:.3f}" if verdict.ratio is not None else "-"
    interval = f"{verdict.interval[0]:.3f} - {verdict.interval[1]:.3f}" if verdict.interval else "-"
    known = (noise.ONE_ROUND, noise.FEW_ROUNDS, noise.APART, noise.HOLDS)  # the notes or the interval say these
    says = verdict.word + ("" if verdict.why in known else f": {verdict.why}")
    row = f"  {f'{figure.name} ({figure.unit})':<20}{number(figure.a):>11}{number(figure.b):>11}{ratio:>9}  {interval:<17}{says}"
    return cut(row, WIDTH)


def number(value: float | None) -> str:
    """Four digits that count, no exponent."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def _table(table: Table) -> Iterator[str]:
    yield cut(table.title, WIDTH)
    yield f"  {'':<58}{'A':>13}{'B':>13}{'B / A':>10}"
    for name, cells in table.rows:
        yield cut(f"  {name}", WIDTH)
        for cell in cells:
            title = cut(f"{cell.title} ({cell.unit})" if cell.unit else cell.title, 54)
            ratio = f"{cell.ratio:.3f}" if cell.ratio is not None else "-"
            yield f"    {title:<56}{number(cell.a):>13}{number(cell.b):>13}{ratio:>10}"
    for side, only in (("A", table.only_a), ("B", table.only_b)):
        if only:
            yield cut(f"  only in {side}: {'; '.join(only)}", WIDTH)
