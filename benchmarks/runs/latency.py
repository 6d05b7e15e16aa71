"""`sllm bench latency`: one batch of requests of fixed lengths, started together, over and over; how long until all of it is answered.

The counterpart of `vllm bench latency` (vllm/benchmarks/latency.py): the same defaults, warm-up and percentiles. That one repeats the
same prompts with the prefix cache off; here every round has new prompts, so that the cache may stay as it is served.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Level, Load, Progress
from benchmarks.metrics.percentiles import interpolated
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs import settings
from benchmarks.runs.session import EngineOptions, Session, fitting, run_alone

PERCENTS = (10, 25, 50, 75, 90, 99)  # vLLM's


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(EngineOptions):
    batches: tuple[int, ...] = (8,)
    prompts: PromptOptions = field(default_factory=lambda: PromptOptions(endpoint="completions", input_tokens=32, output_tokens=128))
    iterations: int = 30
    warm_up: int = 10
    command: str = "sllm bench latency"


@dataclass(frozen=True)
class Batch:
    """One batch, seconds: until all of it is answered, of that until every request has its first token, and the tokens it brought."""

    seconds: float
    prefill: float
    tokens: int

    @property
    def decode(self) -> float:
        return self.seconds - self.prefill


def run(options: LatencyOptions, file: Path) -> dict[str, Any]:
    """The document, kept in `file` as it grows. Raises BenchError when nothing could be measured."""
    if options.iterations < 1 or options.warm_up < 0:
        raise BenchUsageError("--iterations is 1 or more, --warm-up 0 or more")
    options.prompts.check()

    async def work(session: Session) -> None:
        prompts = fitting(options.prompts, session)
        for size in options.batches:
            load = Load("closed", concurrency=size, requests=size)
            made = await session.prompts(prompts, size * (options.warm_up + options.iterations), salt=size)
            rounds = [made[start : start + size] for start in range(0, len(made), size)]
            session.live.level(f"batches of {size}", load)
            shown = Shown(size * len(rounds))
            for number, requests in enumerate(rounds):
                warming = number < options.warm_up
                place = number + 1 if warming else number - options.warm_up + 1
                name = f"batch of {size}, {'warm-up' if warming else 'round'} {place}"
                if warming:
                    level = await session.send(requests, load, name, quiet=True)
                else:
                    level = await session.level(requests, load, name, repeat=place - 1, quiet=True)
                    report(session.made)
                session.live.progress(shown.after(level))

    said = {**settings.asked(options.prompts), "batches": list(options.batches), "repeat": options.iterations, "warmup": options.warm_up}
    return run_alone("latency", options, said, file, work)


@dataclass
class Shown:
    """Progress over all batches of one size: they are too short to be shown one by one."""

    wanted: int
    seconds: float = 0.0
    done: int = 0
    failed: int = 0
    tokens: int = 0

    def after(self, level: Level) -> Progress:
        self.seconds += level.seconds
        self.done += len(level.records)
        self.failed += sum(record.error is not None for record in level.records)
        self.tokens += sum(len(record.times) for record in level.records)
        return Progress(self.seconds, self.done, 0, self.done, self.failed, self.tokens, self.wanted, None)


def batch(level: dict[str, Any]) -> Batch | None:
    """The batch that a level of the document is; None where a request failed: its time is another one's."""
    found = level["requests"]
    if level["partial"] or any(request["error"] or request["first"] is None for request in found):
        return None
    began = min(request["sent"] for request in found)
    return Batch(level["seconds"], max(request["first"] for request in found) - began, sum(request["output"] or 0 for request in found))


def report(made: dict[str, Any]) -> None:
    """Write the table and the picture of what is measured so far into the document."""
    by_size: dict[int, list[Batch]] = defaultdict(list)
    for level in made["levels"]:
        if found := batch(level):
            by_size[level["load"]["concurrency"]].append(found)
    columns = [("batch", "Batch size", ""), ("n", "Rounds", ""), ("mean", "Mean", "ms"), *((f"p{p}", f"p{p}", "ms") for p in PERCENTS)]
    columns += [
        ("prefill", "Prefill p50", "ms"),
        ("decode", "Decode p50", "ms"),
        ("token", "A token p50", "ms"),
        ("output", "Output tokens", "1/s"),
    ]
    note = (
        "From the first request sent to the last answer's end, over HTTP on the engine's Unix socket. Prefill: until every "
        "request of the batch has its first token; decode: the rest; a token: decode divided by the output tokens of a request less one."
    )
    made["tables"] = [settings.table("Latency of one batch", note, columns, [_row(size, found) for size, found in by_size.items()])]
    shares = {
        "prefill": [(str(size), _ms(b.prefill for b in found)) for size, found in by_size.items()],
        "decode": [(str(size), _ms(b.decode for b in found)) for size, found in by_size.items()],
    }
    caption = "Median over the rounds."
    made["pictures"] = [settings.picture("Prefill and decode of a batch", caption, "batch size", "ms", shares, kind="bar")]


def _row(size: int, found: Sequence[Batch]) -> dict[str, Any]:
    ordered = sorted(b.seconds for b in found)
    tokens = statistics.median(b.tokens for b in found) / size
    return {
        "batch": size,
        "n": len(found),
        "mean": _ms(ordered, statistics.fmean),
        **{f"p{percent}": round(interpolated(ordered, percent) * 1000, 3) for percent in PERCENTS},
        "prefill": _ms(b.prefill for b in found),
        "decode": _ms(b.decode for b in found),
        "token": round(_ms(b.decode for b in found) / (tokens - 1), 3) if tokens > 1 else None,
        "output": round(statistics.median(b.tokens / b.seconds for b in found), 1),
    }


def _ms(seconds: Any, of: Any = statistics.median) -> float:
    return round(float(of(list(seconds))) * 1000, 3)
