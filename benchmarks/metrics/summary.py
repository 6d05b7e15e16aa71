"""The figures of one level of load.

Rates are vLLM's (vllm/benchmarks/serve.py, calculate_metrics): what completed requests brought, divided by the duration of the
level. A failed request adds no token and no latency, but it is counted: completed + failed = sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.loadgen.records import Level, Record
from benchmarks.metrics.definitions import DEFINITIONS, completed, input_tokens, output_tokens
from benchmarks.metrics.slo import SLO, goodput


def summary(level: Level, slo: SLO | None) -> dict[str, Any]:
    """Counts, rates, and each latency under each tool's definition. Latencies are None when no request completed."""
    done = [record for record in level.records if completed(record)]
    errors = Counter(record.error for record in level.records if record.error is not None)
    read, written = sum(map(input_tokens, done)), sum(map(output_tokens, done))
    peak, mean = concurrency(level.records, level.seconds)

    def rate(amount: int) -> float:
        return round(amount / level.seconds, 4) if level.seconds > 0 else 0.0

    counted = sum(record.completion_tokens is not None for record in done)
    return {
        "requests": {"sent": len(level.records), "completed": len(done), "failed": len(level.records) - len(done), "errors": dict(errors)},
        "input_tokens": read,
        "output_tokens": written,
        "output_tokens_from": {"usage": counted, "events": len(done) - counted},
        "request_rate": rate(len(done)),
        "output_tokens_per_second": rate(written),
        "total_tokens_per_second": rate(read + written),
        "output_events_per_second": rate(sum(len(record.times) for record in done)),
        "peak_concurrency": peak,
        "mean_concurrency": mean,
        **{metric: {tool: rule.of(done) if rule else None for tool, rule in by_tool.items()} for metric, by_tool in DEFINITIONS.items()},
        "goodput": goodput(level.records, level.seconds, slo) if slo else None,
    }


def concurrency(records: Sequence[Record], seconds: float) -> tuple[int, float]:
    """(most requests open at one moment, mean over `seconds`). Open: from sent to the end, or to the last that came of it.

    Not vLLM's max_concurrent_requests, which counts every request that touches a whole second.
    """
    steps: list[tuple[float, int]] = []
    together = 0.0
    for record in records:
        end = next((time for time in (record.end, record.times[-1] if record.times else None) if time is not None), record.sent)
        steps += [(record.sent, 1), (end, -1)] if end > record.sent else []
        together += end - record.sent
    now = peak = 0
    for _, step in sorted(steps):  # an end sorts before a start of the same moment
        now += step
        peak = max(peak, now)
    return peak, round(together / seconds, 4) if seconds > 0 else 0.0
