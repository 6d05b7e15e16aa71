"""The picture of benchmarks.batch_share: first tokens alone and beside a batch, and the batch's pace over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1080, 420, 60, 56, 60
GREEN, RED, BLUE, GREY = "#1a7f37", "#cf222e", "#0969da", "#57606a"
WINDOW = 4.0  # seconds over which the pace is taken


class Axes:
    """One plot: from data to the page."""

    def __init__(self, x: tuple[float, float], width: float, most: tuple[float, float], title: str, across: str) -> None:
        self.left, self.right, self.most = x[0], x[0] + width, most
        self.start = x[1]
        self.parts = [f'<text x="{self.left}" y="30" font-size="14">{title}</text>']
        self.parts.append(f'<text x="{(self.left + self.right) / 2}" y="{HEIGHT - 18}" text-anchor="middle">{across}</text>')

    def x(self, value: float) -> float:
        return self.left + (value - self.start) / (self.most[0] - self.start) * (self.right - self.left)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.most[1] * (HEIGHT - BOTTOM - TOP)

    def ticks(self, across: Sequence[float], up: Sequence[float], form: str = "{:g}", percent: bool = False) -> None:
        for value in up:
            y = self.y(value)
            self.parts.append(f'<line x1="{self.left}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            label = f"{value:.0%}" if percent else f"{value:,.0f}"
            self.parts.append(f'<text x="{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        for value in across:
            self.parts.append(f'<text x="{self.x(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{form.format(value)}</text>')

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        drawn = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in points if self.start <= a <= self.most[0])
        self.parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def upright(self, at: float, colour: str, low: float, high: float, dash: str = "") -> None:
        x = self.x(at)
        self.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y(low):.1f}" y2="{self.y(high):.1f}" stroke="{colour}" stroke-dasharray="{dash}"/>'
        )

    def label(self, at: float, y: float, words: str, colour: str) -> None:
        self.parts.append(f'<text x="{self.x(at):.1f}" y="{y:.1f}" fill="{colour}">{words}</text>')


def picture(report: dict[str, Any]) -> str:
    """One SVG document of a report of benchmarks.batch_share."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    parts += distribution(report).parts + pace(report).parts
    return "\n".join([*parts, "</svg>"]) + "\n"


def distribution(report: dict[str, Any]) -> Axes:
    """Part of the interactive requests that had their first token by then."""
    times = {name: sorted(r["ttft"] * 1000 for one in report["rounds"] for p in one if p["name"] == name for r in p["requests"])
             for name in ("interactive", "both")}  # fmt: skip
    most = max(2 * report["ttft_ms_interactive"]["p90"], 1.2 * report["ttft_ms_both"]["p90"])
    ratio, goal = report["ttft_ratio"], report["goals"]["ttft"]
    axes = Axes((LEFT, 0.0), 400, (most, 1.0), f"Time to first token: p50 x {ratio:.2f} (goal: at most {goal:g})", "milliseconds")
    axes.ticks(_round_steps(most), (0, 0.25, 0.5, 0.75, 1), percent=True)
    for name, colour, words in (("interactive", GREEN, "idle engine"), ("both", RED, "beside a batch")):
        some = times[name]
        axes.line([(some[0], 0.0), *((value, (number + 1) / len(some)) for number, value in enumerate(some))], colour)
        axes.upright(report[f"ttft_ms_{name}"]["p50"], colour, 0, 0.5, "4 3")
        middle = report[f"ttft_ms_{name}"]["p50"]
        axes.label(most * 0.55, axes.y(0.3 if name == "interactive" else 0.22), f"{words}: p50 {middle:.1f} ms", colour)
    return axes


def pace(report: dict[str, Any]) -> Axes:
    """The batch's tokens a second through the first round, with the interactive requests as strokes below."""
    phases = {phase["name"]: phase for phase in report["rounds"][0]}
    start = min(phases[name]["began"] for name in ("batch", "both"))
    end = max(phases[name]["looks"][-1]["at"] for name in ("batch", "both"))
    curves = {name: _pace(phases[name]["looks"]) for name in ("batch", "both")}
    most = 1.15 * max(value for curve in curves.values() for _, value in curve)
    ratio, goal = report["throughput_ratio"], report["goals"]["throughput"]
    title = f"Batch output tokens/s: together x {ratio:.2f} (goal: at least {goal:g})"
    axes = Axes((LEFT + 480, start), WIDTH - LEFT - 480 - 24, (end, most), title, "seconds; strokes: interactive requests")
    step = _round_steps(end - start)[1]
    axes.ticks(
        [step * n for n in range(int(end / step) + 1) if step * n >= start], [up for up in _round_steps(most) if up <= most], form="{:.0f}"
    )
    for name, colour, words in (("batch", GREEN, "batch alone"), ("both", BLUE, "together")):
        axes.line(curves[name], colour)
        mean = report["batch_tokens_per_second"][name]
        axes.label(phases[name]["began"], TOP + 2, f"{words}: {mean:,}/s", colour)
        for request in phases[name]["requests"]:
            axes.upright(request["at"], GREY, 0, most * 0.04)
    return axes


def _pace(looks: Sequence[dict[str, float]]) -> list[tuple[float, float]]:
    """Engine tokens a second over WINDOW, at its end."""
    curve = []
    for look in looks:
        before = next((b for b in looks if b["at"] >= look["at"] - WINDOW - 0.3), look)
        if look["at"] - before["at"] >= WINDOW - 0.3:
            curve.append((look["at"], (look["tokens"] - before["tokens"]) / (look["at"] - before["at"])))
    return curve


def _round_steps(most: float) -> list[float]:
    """About five round numbers from 0 to `most`."""
    step = next(s * 10**e for e in range(-2, 7) for s in (1, 2, 5) if s * 10**e * 6 >= most)
    return [step * number for number in range(int(most / step) + 1)]
