"""Every figure of the comparison: what it is called, how it is read off a result, and how it is written. The page's table is this list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantize.evaluation import harness
from quantize.evaluation.compare import ExactMatch, Logprobs, Result, Speed
from quantize.units import size

Read = Callable[[Result], float | None]


@dataclass(frozen=True)
class Figure:
    """A column: `value` for sorting, `show` words it; `term` is what defines it (definitions.py), if it needs that."""

    head: str
    value: Read
    show: Callable[[float], str]
    term: str = ""


@dataclass(frozen=True)
class Group:
    """The columns of one table."""

    title: str
    columns: list[Figure]


def groups(results: Sequence[Result]) -> list[Group]:
    """Tables with those figures that at least one of the results has."""
    speed = [*COST]
    for concurrency in sorted({speed.concurrency for result in results for speed in result.speed}):
        speed += _speed(concurrency)
    tasks = [_task(task, results) for task in dict.fromkeys(task for result in results for task in result.harness)]
    found = [Group("Size and quality", [*SIZES, *QUALITY]), Group("Speed and memory", speed), Group("Tasks", tasks)]
    shown = [Group(g.title, [c for c in g.columns if any(c.value(result) is not None for result in results)]) for g in found]
    return [group for group in shown if group.columns]


def percent(value: float) -> str:
    return f"{value:.1%}"


def milliseconds(value: float) -> str:
    return f"{1000 * value:,.0f} ms"


def _logprobs(read: Callable[[Logprobs], float | None]) -> Read:
    return lambda result: read(result.logprobs) if result.logprobs else None


def _match(read: Callable[[ExactMatch], float | None]) -> Read:
    return lambda result: read(result.exact_match) if result.exact_match else None


SIZES = (
    Figure("Disk", lambda r: r.disk, size, "Disk"),
    Figure(
        "Linear\u00a0÷\u00a0bf16",
        lambda r: r.linear_share,
        lambda v: f"{v:.3f}",
        "Linear ÷ bf16",
    ),
)
QUALITY = (
    Figure(
        "|\u2060Δ\u00a0logprob|\u2060",
        _logprobs(lambda q: q.mean_abs_difference),
        lambda v: f"{v:.4f}",
        "|Δ logprob|",
    ),
    Figure(
        "±",
        _logprobs(
            lambda q: (
                None
                if q.mean_abs_difference_high is None or q.mean_abs_difference_low is None
                else (q.mean_abs_difference_high - q.mean_abs_difference_low) / 2
            )
        ),
        lambda v: f"{v:.4f}",
    ),
    Figure(
        "KL top\u201120",
        _logprobs(lambda q: q.kl_divergence),
        lambda v: f"{v:.5f}",
        "KL top-20",
    ),
    Figure(
        "Agreement",
        _logprobs(lambda q: q.agreement),
        percent,
        "Agreement",
    ),
    Figure(
        "Perplexity",
        _logprobs(lambda q: q.perplexity),
        lambda v: f"{v:,.3f}",
        "Perplexity",
    ),
    Figure(
        "Exact match",
        _match(lambda m: m.share),
        percent,
        "Exact match",
    ),
    Figure("Points", _match(lambda m: m.points), lambda v: f"{v:+.1f}"),
)

COST = (
    Figure(
        "Weight memory",
        lambda r: r.memory,
        size,
        "Weight memory",
    ),
    Figure(
        "Load",
        lambda r: r.load_seconds,
        lambda v: f"{v:.2f} s",
        "Load",
    ),
    Figure(
        "Ready",
        lambda r: r.ready_seconds,
        lambda v: f"{v:.1f} s",
        "Ready",
    ),
)


def _speed(concurrency: int) -> list[Figure]:
    def read(take: Callable[[Speed], float | None]) -> Read:
        return lambda r: next((take(s) for s in r.speed if s.concurrency == concurrency), None)

    return [
        Figure(
            f"Tokens/s at {concurrency}",
            read(lambda s: s.tokens_per_second),
            lambda v: f"{v:,.0f}",
            "Tokens/s at N",
        ),
        Figure("Ratio", read(lambda s: s.ratio), lambda v: f"{v:.2f}"),
        Figure(
            "TTFT p50",
            read(lambda s: s.ttft_p50),
            milliseconds,
            "TTFT",
        ),
        Figure("TTFT p95", read(lambda s: s.ttft_p95), milliseconds),
    ]


def _task(task: str, results: Sequence[Result]) -> Figure:
    metric = next(harness.headline(result.harness[task])[0] for result in results if task in result.harness)

    def value(result: Result) -> float | None:
        return result.harness.get(task, {}).get(metric)

    return Figure(f"{task} ({metric})", value, lambda v: f"{v:.4f}", "Tasks")
