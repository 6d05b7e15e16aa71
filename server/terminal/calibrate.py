"""`sllm cache calibrate`: the figures as tables or JSON, and the plot as an SVG file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from server.cache.calibrate import Calibration, Outcome, as_dict, calibrate, shipped
from server.cache.replay import scored
from server.terminal.output import print_json

if TYPE_CHECKING:
    from server.settings import Semantic

WIDTH, HEIGHT, MARGIN = 640, 400, 56


def run(file: str, settings: Semantic, limit: float, plot: Path | None, *, judge: Path | None = None, as_json: bool) -> None:
    """`file` is a path, or `ko` or `en` for the pairs that come with the project. Raises CalibrationError, StartError."""
    path = shipped(file) if file in ("ko", "en") and not Path(file).exists() else Path(file)
    calibration = asyncio.run(_calibrated(path, settings, limit, judge))
    if plot:
        plot.write_text(svg(calibration), encoding="utf-8")
    if as_json:
        print_json(as_dict(calibration))
    else:
        show(calibration, path, plot)


async def _calibrated(path: Path, settings: Semantic, limit: float, judge: Path | None) -> Calibration:
    from server.cache.semantic.embedders.choose import choose

    embedder = choose(settings)
    names: list[str] = []

    async def embed(texts: object) -> object:
        if texts and not names:
            await embedder.open()
            names.append(embedder.name)
        return await embedder.embed(texts) if texts else []  # type: ignore[arg-type]

    try:
        pairs = await scored(path, embed)  # type: ignore[arg-type]
        judges = await scored(judge, embed) if judge else []  # type: ignore[arg-type]
        return calibrate(pairs, limit, names[0] if names else "scores of the file", judges)
    finally:
        if names:
            await embedder.close()


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def show(calibration: Calibration, path: Path, plot: Path | None) -> None:
    """The tables for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    console.print(f"{path.name}: {calibration.pairs} pairs, scored by {calibration.embedder}, limit {calibration.limit:.1%} of the hits")
    table = Table("at the threshold", "threshold", "hit rate", "false of hits", "95% bound", "false of different", "95% bound")
    rows: list[tuple[str, Outcome | None]] = [
        ("tuning half", calibration.tuning),
        ("held-out half", calibration.held_out),
        ("held-out, no gates", calibration.ungated),
        ("held-out, no gates, own threshold", calibration.ungated_best),
    ]
    for name, row in rows:
        if row:
            rates = [
                percent(row.hit_rate),
                percent(row.false_hit_rate),
                percent(row.bound),
                percent(row.passed_rate),
                percent(row.passed_bound),
            ]
            table.add_row(name, f"{row.threshold:.2f}" if row.threshold <= 1 else "none", *rates)
    console.print(table)
    table = Table("gate (held-out)", "different refused", "by it alone", "same refused", "by it alone")
    for part in calibration.gates:
        table.add_row(part["gate"], *(str(part[key]) for key in ("different_refused", "different_alone", "same_refused", "same_alone")))
    console.print(table)
    if calibration.threshold is None:
        console.print("No threshold keeps the limit on these pairs: leave semantic caching off, or take another embedder.")
    else:
        console.print(f"threshold: {calibration.threshold:.2f}")
    if calibration.threshold_by_bound is None:
        console.print("These pairs are too few, or too hard, to promise the limit with 95%: that takes 299 hits at 1% without a false one.")
    if plot:
        console.print(f"plot: {plot}")


def svg(calibration: Calibration) -> str:
    """Hit rate and false-hit rate over the threshold, with gates (lines) and without (dashed), as one SVG document."""
    lines = [
        ("#1a7f37", "", "hit rate", calibration.curve, "hit_rate"),
        ("#cf222e", "", "false of hits", calibration.curve, "false_hit_rate"),
        ("#1a7f37", "5 4", "hit rate, no gates", calibration.curve_ungated, "hit_rate"),
        ("#cf222e", "5 4", "false of hits, no gates", calibration.curve_ungated, "false_hit_rate"),
    ]

    def x(threshold: float) -> float:
        return MARGIN + threshold * (WIDTH - 2 * MARGIN)

    def y(rate: float) -> float:
        return HEIGHT - MARGIN - rate * (HEIGHT - 2 * MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f'<line x1="{x(0)}" x2="{x(1)}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.0%}</text>')
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{tick:.1f}</text>')
    for at, (colour, dash, name, outcomes, key) in enumerate(lines):
        points = " ".join(f"{x(o.threshold):.1f},{y(rate):.1f}" for o in outcomes if (rate := getattr(o, key)) is not None)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        parts.append(
            f'<text x="{MARGIN + 8 + at % 2 * 260}" y="{18 + at // 2 * 16}" fill="{colour}">{"- - " if dash else "— "}{name}</text>'
        )
    if calibration.threshold is not None:
        at_x = x(calibration.threshold)
        parts.append(f'<line x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{y(0)}" y2="{y(1)}" stroke="#0969da"/>')
        parts.append(f'<text x="{at_x + 4:.1f}" y="{y(0.5)}" fill="#0969da">{calibration.threshold:.2f}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">threshold (cosine), held-out half</text></svg>')
    return "\n".join(parts) + "\n"
