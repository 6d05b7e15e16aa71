"""The gateway's own metrics (Prometheus). Label values are bounded: routes, configured models, statuses."""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

Add = Callable[[float], None]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Tally:
    """The metrics of one (route, model, status), looked up once: `labels()` costs more than counting.

    Counts gather here as plain numbers until `flush`; a lock for each would be felt.
    """

    def __init__(self, request: Add, prompt: Add, completion: Add, duration: Add, first_byte: Add) -> None:
        self.requests = self.prompt_tokens = self.completion_tokens = 0
        self.duration = duration
        self.first_byte = first_byte
        self._add = (request, prompt, completion)

    def flush(self) -> None:
        if self.requests:
            for add, count in zip(self._add, (self.requests, self.prompt_tokens, self.completion_tokens), strict=True):
                if count:
                    add(count)
            self.requests = self.prompt_tokens = self.completion_tokens = 0


class Metrics:
    """With several worker processes (PROMETHEUS_MULTIPROC_DIR is set), any of them tells the sum."""

    def __init__(self) -> None:
        self.shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.registry = registry = CollectorRegistry()
        if not self.shared:
            ProcessCollector(registry=registry)
        self._requests = Counter("sllm_requests", "Requests answered.", ("route", "model", "status"), registry=registry)
        self._duration = Histogram(
            "sllm_request_duration_seconds", "From the request's headers to the answer's last byte.", ("route", "model"),
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._first = Histogram(
            "sllm_time_to_first_byte_seconds", "From the request's headers to the answer's first byte.", ("route", "model"),
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._tokens = Counter("sllm_tokens", "Tokens, as the engines count them.", ("model", "kind"), registry=registry)
        self._errors = Counter("sllm_upstream_errors", "Failed exchanges with engines.", ("model", "kind"), registry=registry)
        self._running = Gauge("sllm_requests_in_flight", "Requests running now.", registry=registry, multiprocess_mode="livesum")
        self._tallies: dict[tuple[str, str, int], Tally] = {}

    def tally(self, route: str, model: str, status: int) -> Tally:
        key = (route, model, status)
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally(
                self._requests.labels(route, model, str(status)).inc,
                self._tokens.labels(model, "prompt").inc,
                self._tokens.labels(model, "completion").inc,
                self._duration.labels(route, model).observe,
                self._first.labels(route, model).observe,
            )
        return found

    def count_error(self, model: str, kind: str) -> None:
        self._errors.labels(model, kind).inc()

    def flush(self, running: int) -> None:
        """Hand the gathered counts over, once a tick; `running` requests are in flight."""
        self._running.set(running)
        for tally in self._tallies.values():
            tally.flush()

    def text(self) -> bytes:
        """The exposition format (text, version 0.0.4)."""
        return generate_latest(self._all())

    def families(self) -> list[Metric]:
        """The values of every worker together."""
        return list(self._all().collect())

    def _all(self) -> CollectorRegistry:
        if not self.shared:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
