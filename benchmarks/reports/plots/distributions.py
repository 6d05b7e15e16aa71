"""TTFT and ITL of every level as cumulative distributions: what the percentiles of the tables are read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.reports.levels import Document, curves, is_knee, thin
from benchmarks.reports.plots import samples, style
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LEVELS = 12
POINTS = 400
LOG_FROM = 8.0  # times between the lowest and the highest sample
TOGETHER = 0.1  # ms; events less than that apart came in one packet
FAR = 5.0  # times below the 5 % shortest
METRICS: tuple[tuple[str, str, str, Callable[..., samples.Array]], ...] = (
    ("ttft-distribution", "Time to first token", "completed request", samples.ttft_ms),
    ("itl-distribution", "Inter-token latency", "gap between two events of a completed request", samples.itl_ms),
)


@dataclass(frozen=True)
class Line:
    """One level's distribution."""

    name: str
    values: samples.Array  # ms, rising
    shares: samples.Array

    @property
    def usual(self) -> float:
        """The lowest sample, but for events that came in one packet, some 0.01 ms apart: they would stretch a logarithmic axis over
        decades in which nothing is."""
        apart = self.values[(self.shares >= 0.05) & (self.values >= TOGETHER)]
        usual = float(apart[0] if len(apart) else self.values[-1])
        return usual / 1.5 if usual > FAR * float(self.values[0]) else float(self.values[0])


def plots(document: Document) -> Iterator[Plot]:
    """For each curve TTFT and ITL, one line a level. Nothing without raw samples."""
    for index, curve in enumerate(curves(document)):
        for slug, title, one, take in METRICS:
            rows = thin(curve.rows, MOST_LEVELS, lambda row: is_knee(document, row))
            lines = [Line(row.name, *samples.ecdf(found, POINTS)) for row in rows if len(found := take(row.levels))]
            if not lines:
                continue
            words = f"Share of samples at or below a time; a sample is one {one} (vLLM's definition), all runs together."
            if len(rows) < len(curve.rows):
                words += f" {len(rows)} of {len(curve.rows)} levels are drawn."
            if _log(lines) and any(line.usual > line.values[0] for line in lines):
                words += " Left of the picture lie events that came together, some 0.1 ms apart: where a line begins is their share."
            if any(len(line.values) == POINTS for line in lines):
                words += f" Each line goes through {POINTS} of its samples, the 20 highest among them."
            yield Plot(
                slug + (f"-{index + 1}" if index else ""),
                f"{title}, distribution by level" + (f", {curve.name}" if curve.name else ""),
                words,
                partial(draw, lines=lines, name=title),
                height=style.HEIGHT + 0.2 * max(0, (len(lines) - 1) // 4),
            )


def _log(lines: Sequence[Line]) -> bool:
    lowest = min(line.usual for line in lines)
    return lowest > 0 and max(float(line.values[-1]) for line in lines) / lowest > LOG_FROM


def draw(figure: Figure, lines: Sequence[Line], name: str) -> None:
    axis = figure.add_subplot()
    log = _log(lines)
    for place, (line, colour) in enumerate(zip(lines, style.shades(len(lines)), strict=True)):
        values = line.values.clip(min=line.usual / 1e3) if log else line.values  # a logarithmic axis has no 0
        axis.step(values, line.shares, where="post", color=colour, linestyle=style.DASHES[place % 4], label=line.name, linewidth=1.6)
    highest = max(float(line.values[-1]) for line in lines) or 1.0
    if log:
        axis.set_xscale("log")
        axis.set_xlim(min(line.usual for line in lines) / 1.2, highest * 1.2)
    else:
        axis.set_xlim(0, highest * 1.05)
    axis.set_ylim(0, 1.005)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 0.99], ["0 %", "25 %", "50 %", "75 %", "90 %", "99 %"])
    style.thousands(axis, "x", log)
    axis.set_xlabel(f"{name.lower()}, ms" + (" (log)" if log else ""))
    axis.set_ylabel("share of samples")
    style.legend(figure, axis)
