"""The comparison for a terminal: at most 100 columns, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantize.evaluation import harness
from quantize.evaluation.compare import ExactMatch, Logprobs, Result
from quantize.units import size

WIDTH = 100


def table(results: Sequence[Result], *, width: int = WIDTH, colour: bool = False) -> str:
    """Two tables, quality and size, then speed; and one of the harness's tasks where there are any. Lines without trailing space."""
    console = Console(
        width=width, color_system="standard" if colour else None, force_terminal=colour, highlight=False, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(_quality(results))
        if any(result.speed for result in results):
            console.print(_speed(results))
        if any(result.harness for result in results):
            console.print(_harness(results))
        for line in notes(results):
            console.print(Text(line, style="dim" if colour else ""))
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def notes(results: Sequence[Result]) -> list[str]:
    """What must be known to read the figures, one line each."""
    found = [f"{r.name}: logprobs not compared: {r.logprobs.not_compared}" for r in results if r.logprobs and r.logprobs.not_compared]
    read = {(r.logprobs.text, r.logprobs.texts, r.logprobs.positions) for r in results if r.logprobs}
    found += [f"logprobs: {positions:,} positions of {texts} texts of {text}" for text, texts, positions in sorted(read)]
    asked = {(r.exact_match.file, r.exact_match.questions) for r in results if r.exact_match}
    found += [f"exact match: {questions:,} questions of {file}" for file, questions in sorted(asked)]
    return found


def _quality(results: Sequence[Result]) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    shown.add_column("model", overflow="fold", min_width=8)
    for head in ("size", "linear", "|Δ logprob|", "KL top-20", "agree", "perplexity", "exact match"):
        shown.add_column(head, justify="right", no_wrap=True)
    for result in results:
        log, match = result.logprobs, result.exact_match
        shown.add_row(
            f"{result.name} *" if result.is_baseline else result.name,
            size(result.disk),
            _number(result.linear_share, ".3f"),
            _with_error(log) if log else "-",
            _number(log.kl_divergence if log else None, ".5f"),
            _number(log.agreement if log else None, ".1%"),
            _number(log.perplexity if log else None, ".3f"),
            _match(match) if match else "-",
        )
    if any(result.is_baseline for result in results):
        shown.caption = "* the baseline; linear: bytes of the linear layers by those in bf16; ±: 95 % interval; exact match: points apart"
    return shown


def _speed(results: Sequence[Result]) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    shown.add_column("model", overflow="fold", min_width=8)
    for head in ("memory", "load", "ready", "at once", "tokens/s", "ratio", "TTFT p50", "p95"):
        shown.add_column(head, justify="right", no_wrap=True)
    for result in results:
        for number, speed in enumerate(result.speed):
            first = number == 0
            memory = size(result.memory) + ("" if result.memory_from == "engine" else " †")
            shown.add_row(
                result.name if first else "",
                memory if first else "",
                (_number(result.load_seconds, ".2f") + (" s" if result.load_seconds is not None else "")) if first else "",
                f"{result.ready_seconds:.1f} s" if first else "",
                str(speed.concurrency),
                f"{speed.tokens_per_second:,.0f}",
                _number(speed.ratio, ".2f"),
                f"{1000 * speed.ttft_p50:.0f} ms",
                f"{1000 * speed.ttft_p95:.0f} ms",
            )
    if any(result.memory_from != "engine" for result in results):
        shown.caption = "† bytes of the tensors: this engine does not say what the weights take"
    return shown


def _harness(results: Sequence[Result]) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for head in ("model", "task", "metric"):
        shown.add_column(head, overflow="fold")
    shown.add_column("score", justify="right")
    for result in results:
        for task, values in result.harness.items():
            metric, value = harness.headline(values)
            shown.add_row(result.name, task, metric, f"{value:.4f}")
    return shown


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _with_error(log: Logprobs) -> str:
    """The mean difference and half its 95 % interval."""
    if log.mean_abs_difference is None or log.mean_abs_difference_low is None or log.mean_abs_difference_high is None:
        return "-"
    return f"{log.mean_abs_difference:.4f} ±{(log.mean_abs_difference_high - log.mean_abs_difference_low) / 2:.4f}"


def _match(match: ExactMatch) -> str:
    return f"{match.share:.1%}" if match.points is None else f"{match.share:.1%} {match.points:+.1f}"
