"""The cache's metrics (Prometheus). Counts gather as plain numbers and are handed over once a tick."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

SECONDS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1)
EVERY = 64  # look-ups in memory, of which one is timed: timing each would cost more than some of them


class CacheMetrics:
    """With several worker processes, counts are summed; what the store holds is told by any of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=registry)

        self._requests = counter("sllm_cache_requests", "Requests by what the cache had for them.", "model", "result")
        self._tokens = counter("sllm_cache_saved_tokens", "Tokens that engines did not have to compute.", "model", "kind")
        self._seconds = counter("sllm_cache_saved_engine_seconds", "Time that the answers took when they were made.", "model")
        self._events = counter("sllm_cache_events", "Entries stored, evicted, expired, dropped, poisoned; errors of the store.", "event")
        self._audited = counter("sllm_cache_audited", "Semantic hits that were generated afresh and compared.", "model")
        self._false = counter("sllm_cache_false_hits", "Of these, those that said something else.", "model")
        timed = f"Look-ups by level; in memory every {EVERY}th is timed."
        self._lookup = Histogram("sllm_cache_lookup_seconds", timed, ("level",), buckets=SECONDS, registry=registry)
        bound = "Upper confidence bound of the share of false hits."
        self._bound = Gauge("sllm_cache_false_hit_bound", bound, ("model",), registry=registry, multiprocess_mode="livemax")
        live = {"registry": registry, "multiprocess_mode": "livesum"}
        self.memory_bytes = Gauge("sllm_cache_memory_bytes", "Bytes held in memory.", **live)  # type: ignore[arg-type]
        self.memory_entries = Gauge("sllm_cache_memory_entries", "Answers held in memory.", **live)  # type: ignore[arg-type]
        live["multiprocess_mode"] = "livemax"
        self.store_bytes = Gauge("sllm_cache_store_bytes", "Bytes that the store holds.", **live)  # type: ignore[arg-type]
        self.store_entries = Gauge("sllm_cache_store_entries", "Answers that the store holds.", **live)  # type: ignore[arg-type]
        live["multiprocess_mode"] = "livemin"
        self.store_up = Gauge("sllm_cache_store_up", "1 while the store answers.", **live)  # type: ignore[arg-type]
        self.results: Counts[tuple[str, bytes]] = Counts()
        self.events: Counts[str] = Counts()
        self._saved: dict[str, list[float]] = {}
        self._told: dict[str, int] = {}
        self.memory_timed = self._lookup.labels("memory").observe
        self.store_timed = self._lookup.labels("store").observe
        self.semantic_timed = self._lookup.labels("semantic").observe

    def saved(self, model: str, prompt: int, completion: int, seconds: float) -> None:
        """An answer that no engine had to make. Unknown counts are below 0."""
        found = self._saved.get(model)
        if found is None:
            found = self._saved[model] = [0.0, 0.0, 0.0]
        found[0] += max(prompt, 0)
        found[1] += max(completion, 0)
        found[2] += seconds

    def audited(self, model: str, wrong: bool, bound: float) -> None:
        """A semantic hit was compared with a fresh answer; `bound` is what follows for its partition."""
        self._audited.labels(model).inc()
        if wrong:
            self._false.labels(model).inc()
        self._bound.labels(model).set(bound)

    def total(self, event: str, count: int) -> None:
        """`count` of `event` so far, as a store counts them itself."""
        self.events[event] += max(0, count - self._told.get(event, 0))
        self._told[event] = count

    def flush(self) -> None:
        for (model, result), count in self.results.items():
            self._requests.labels(model, result.decode()).inc(count)
        for event, count in self.events.items():
            if count:
                self._events.labels(event).inc(count)
        for model, (prompt, completion, seconds) in self._saved.items():
            self._tokens.labels(model, "prompt").inc(prompt)
            self._tokens.labels(model, "completion").inc(completion)
            self._seconds.labels(model).inc(seconds)
        self.results.clear()
        self.events.clear()
        self._saved.clear()

    def summary(self, families: Iterable[Metric]) -> dict[str, Any]:
        """Requests by result, what was saved and what happened, out of the values of every worker."""
        found: dict[str, dict[str, float]] = {"requests": {}, "saved": {"engine_seconds": 0.0}, "events": {}}
        places = {"sllm_cache_requests_total": ("requests", "result"), "sllm_cache_saved_tokens_total": ("saved", "kind"),
                  "sllm_cache_events_total": ("events", "event")}  # fmt: skip
        audits = {"sllm_cache_audited_total": 0.0, "sllm_cache_false_hits_total": 0.0}
        for sample in (sample for family in families if family.name.startswith("sllm_cache") for sample in family.samples):
            if place := places.get(sample.name):
                group, label = place
                name = sample.labels[label] + ("_tokens" if group == "saved" else "")
                found[group][name] = found[group].get(name, 0) + sample.value
            elif sample.name == "sllm_cache_saved_engine_seconds_total":
                found["saved"]["engine_seconds"] += sample.value
            elif sample.name in audits:
                audits[sample.name] += sample.value
        requests = {name: int(count) for name, count in found["requests"].items()}
        served = sum(count for name, count in requests.items() if name != "bypass")
        hits = sum(count for name, count in requests.items() if name in ("hit", "semantic", "coalesced"))
        return {
            "requests": requests,
            "hit_rate": round(hits / served, 4) if served else None,
            "saved": {name: round(count, 3) if name == "engine_seconds" else int(count) for name, count in found["saved"].items()},
            "events": {name: int(count) for name, count in found["events"].items()},
            "audited": int(audits["sllm_cache_audited_total"]),
            "false_hits": int(audits["sllm_cache_false_hits_total"]),
        }
