"""`sllm bench throughput`: every request at once, the engine's own queue decides; how many it brings behind it a second.

The counterpart of `vllm bench throughput` (vllm/benchmarks/throughput.py), with the same figures: requests/s, total tokens/s (prompt
and answer), output tokens/s, over the time from the first request sent to the last answer. That one calls the engine inside its own
process; this one asks over HTTP on the engine's Unix socket, so HTTP and JSON are in the figure as they are for every client. As
there, no token is sent on its own: the engine answers with `--stream-interval` as long as the answer, unless `stream` asks for
every token.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs import settings
from benchmarks.runs.session import EngineOptions, Session, fitting, run_alone

WARM_UP = 8
INTERVAL = "--stream-interval"


@dataclass(frozen=True, kw_only=True)
class ThroughputOptions(EngineOptions):
    requests: int = 256
    prompts: PromptOptions = field(default_factory=lambda: PromptOptions(endpoint="completions", output_tokens=128))
    repeat: int = 1
    stream: bool = False  # an event for every token
    command: str = "sllm bench throughput"


def run(options: ThroughputOptions, file: Path) -> dict[str, Any]:
    """The document, kept in `file` as it grows. Raises BenchError when nothing could be measured."""
    if options.requests < 1 or options.repeat < 1:
        raise BenchUsageError("--requests and --repeat are 1 or more")
    options.prompts.check()
    interval = [] if options.stream or any(word.partition("=")[0] == INTERVAL for word in options.flags) else _whole(options.prompts)
    options = replace(options, flags=(*options.flags, *interval))

    async def work(session: Session) -> None:
        prompts = fitting(options.prompts, session)
        session.tokens_by_request = options.prompts.output.mean if interval else 0
        await session.warm_up(await session.prompts(prompts, WARM_UP, salt=-1), WARM_UP)
        for repeat in range(options.repeat):
            requests = await session.prompts(prompts, options.requests, salt=repeat)
            name = f"{len(requests)} requests at once" + (f", round {repeat + 1} of {options.repeat}" if options.repeat > 1 else "")
            await session.level(requests, Load("open", rate=math.inf, requests=options.requests), name, repeat=repeat)
            session.made["tables"] = [summary_table(session.made, stream=not interval)]

    said = {
        **settings.asked(options.prompts),
        "requests": options.requests,
        "repeat": options.repeat,
        "warmup": WARM_UP,
        "stream": not interval,
    }
    return run_alone("throughput", options, said, file, work)


def _whole(prompts: PromptOptions) -> list[str]:
    return [INTERVAL, str(max(2, prompts.output.longest))]


def summary_table(made: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    """Medians over the rounds, with the lowest and highest output rate."""
    found = [level["summary"] for level in made["levels"]]
    rates = [one["output_tokens_per_second"] for one in found]
    row = {
        "requests": statistics.median(one["requests"]["completed"] for one in found),
        "failed": sum(one["requests"]["failed"] for one in found),
        "request_rate": _median(found, "request_rate"),
        "output": statistics.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "total": _median(found, "total_tokens_per_second"),
        "seconds": round(statistics.median(level["seconds"] for level in made["levels"]), 3),
        "start": made["ready_seconds"],
    }
    columns = [
        ("requests", "Requests", ""),
        ("failed", "Failed", ""),
        ("request_rate", "Request rate", "1/s"),
        ("output", "Output tokens", "1/s"),
        ("lowest", "Lowest round", "1/s"),
        ("highest", "Highest round", "1/s"),
        ("total", "Total tokens", "1/s"),
        ("seconds", "Time", "s"),
        ("start", "Engine start", "s"),
    ]
    sent = "an event for every token" if stream else "an event at the first token and one at the end (ITL is the gap between the two)"
    note = (
        f"All requests at once over HTTP on the engine's Unix socket, {sent}; tokenizing, scheduling and detokenizing are in it, "
        "the gateway and the engine's start are not. `vllm bench throughput` asks inside the engine's process, without HTTP."
    )
    return settings.table("Throughput", note, columns, [row])


def _median(found: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(one[key] for one in found))
