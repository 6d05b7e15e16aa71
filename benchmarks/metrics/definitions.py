"""What TTFT, TPOT, ITL and E2E mean to vLLM, GuideLLM and AIPerf, each read in that tool's own code.

A definition turns one completed request into its samples. All are of completed requests only: vLLM and GuideLLM keep failed ones
apart, and so does AIPerf (its extra adj_* metrics, which count a failure as an infinite latency, are not made here). Where a tool
has no metric of that meaning the table holds None.

Read in: vLLM 0.32 (vllm/benchmarks/serve.py, vllm/benchmarks/lib/endpoint_request_func.py), guidellm 0.8.1, aiperf 0.13.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.loadgen.records import Record
from benchmarks.metrics import percentiles

TOOLS = ("vllm", "guidellm", "aiperf")


def completed(record: Record) -> bool:
    return record.error is None


def content_events(record: Record) -> int:
    """Events with text: those from the first to the last that carried any. The role event before and an empty one after do not count."""
    if record.first_content is None or record.last is None:
        return 0
    return sum(record.first_content <= time <= record.last for time in record.times)


def output_tokens(record: Record) -> int:
    """From usage; a server that sends none is taken to send one token an event (GuideLLM's fallback; vLLM's is a tokenizer)."""
    return content_events(record) if record.completion_tokens is None else record.completion_tokens


def input_tokens(record: Record) -> int:
    """From usage, else as the prompt set made it (vLLM: prompt_len, replaced by usage.prompt_tokens)."""
    return record.input_tokens if record.prompt_tokens is None else record.prompt_tokens


@dataclass(frozen=True)
class Definition:
    """One metric of one tool."""

    samples: Callable[[Record], Sequence[float]]  # seconds
    words: str  # what it measures, for docs and pages
    source: str  # file and name in the tool's code
    weight: Callable[[Record], float] | None = None  # GuideLLM only

    def of(self, records: Sequence[Record]) -> dict[str, Any] | None:
        """The distribution over the completed ones of `records`, in milliseconds, with the tool's own percentiles; None: no sample."""
        seconds: list[float] = []
        weights: list[float] = []
        for record in filter(completed, records):
            found = self.samples(record)
            seconds += found
            if self.weight:
                weights += [self.weight(record)] * len(found)
        return percentiles.weighted(seconds, weights) if self.weight else percentiles.distribution(seconds)


def vllm_ttft(record: Record) -> list[float]:
    """Request sent to the first event with choices: for chat that is the role event, whose text is empty."""
    return [record.times[0] - record.sent] if record.times else []


def vllm_e2e(record: Record) -> list[float]:
    """Request sent to the last event with choices; usage and [DONE] after it do not count."""
    return [record.times[-1] - record.sent] if record.times else []


def vllm_tpot(record: Record) -> list[float]:
    """(E2E - TTFT) / (n - 1) for n > 1 output tokens; with one token or none there is no sample."""
    tokens = output_tokens(record)
    return [(record.times[-1] - record.times[0]) / (tokens - 1)] if record.times and tokens > 1 else []


def vllm_itl(record: Record) -> list[float]:
    """Every gap between events with choices, of all requests in one pool."""
    return [later - earlier for earlier, later in pairwise(record.times)]


def content_ttft(record: Record) -> list[float]:
    """Request sent to the first event with text, reasoning or a tool call (GuideLLM and AIPerf)."""
    return [] if record.first_content is None else [record.first_content - record.sent]


def guidellm_tpot(record: Record) -> list[float]:
    """(last token - request sent) / n: TTFT is in it. Without a last token its time is the end of the request."""
    tokens = output_tokens(record)
    last = record.end if record.last is None else record.last
    return [(last - record.sent) / tokens] if tokens and last is not None else []


def guidellm_itl(record: Record) -> list[float]:
    """(last token - first token) / (n - 1): one mean a request, for n > 1."""
    tokens = output_tokens(record)
    if tokens < 2 or record.first_content is None or record.last is None:
        return []
    return [(record.last - record.first_content) / (tokens - 1)]


def guidellm_e2e(record: Record) -> list[float]:
    """Request sent to the end of the answer, [DONE] included."""
    return [] if record.end is None else [record.end - record.sent]


def aiperf_itl(record: Record) -> list[float]:
    """(E2E - TTFT) / (n - 1) with AIPerf's E2E and TTFT, both of events with text: one mean a request, for n > 1."""
    return guidellm_itl(record)


def aiperf_e2e(record: Record) -> list[float]:
    """Request sent to the last event with text."""
    return [] if record.last is None else [record.last - record.sent]


def _once(_: Record) -> float:
    return 1.0


def _tokens(record: Record) -> float:
    return float(output_tokens(record))


def _gaps(record: Record) -> float:
    return float(output_tokens(record) - 1)


_VLLM, _VLLM_EVENTS = "serve.py: calculate_metrics", "lib/endpoint_request_func.py: async_request_openai_chat_completions"
_GUIDE = "schemas/base/request_stats.py: GenerativeRequestStats."
_GUIDE_EVENTS = "backends/openai/http.py: _resolve_streaming"

DEFINITIONS: dict[str, dict[str, Definition | None]] = {
    "ttft_ms": {
        "vllm": Definition(vllm_ttft, "to the first event with choices (chat: the role event)", _VLLM_EVENTS),
        "guidellm": Definition(content_ttft, "to the first event with text", f"{_GUIDE}time_to_first_token_ms; {_GUIDE_EVENTS}", _once),
        "aiperf": Definition(content_ttft, "to the first event with text", "metrics/types/ttft_metric.py: TTFTMetric"),
    },
    "tpot_ms": {
        "vllm": Definition(vllm_tpot, "(E2E - TTFT) / (n - 1), n > 1", _VLLM),
        "guidellm": Definition(guidellm_tpot, "(last token - sent) / n, weight n", f"{_GUIDE}time_per_output_token_ms", _tokens),
        "aiperf": None,  # it has the quantity, under the name of inter token latency
    },
    "itl_ms": {
        "vllm": Definition(vllm_itl, "every gap between events, pooled", f"{_VLLM_EVENTS}; {_VLLM}"),
        "guidellm": Definition(guidellm_itl, "(last - first token) / (n - 1), weight n - 1", f"{_GUIDE}inter_token_latency_ms", _gaps),
        "aiperf": Definition(
            aiperf_itl, "(E2E - TTFT) / (n - 1), n > 1", "metrics/types/inter_token_latency_metric.py: InterTokenLatencyMetric"
        ),
    },
    "e2e_ms": {
        "vllm": Definition(vllm_e2e, "to the last event with choices", _VLLM_EVENTS),
        "guidellm": Definition(
            guidellm_e2e, "to the end of the answer, [DONE] included", f"{_GUIDE}request_latency; {_GUIDE_EVENTS}", _once
        ),
        "aiperf": Definition(aiperf_e2e, "to the last event with text", "metrics/types/request_latency_metric.py: RequestLatencyMetric"),
    },
}
