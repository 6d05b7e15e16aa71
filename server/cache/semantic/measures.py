"""The semantic cache's own metrics (Prometheus). Label values are bounded: configured models, and the words listed here."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.05, 0.1, 0.3, 1, 3)


class Measures:
    """
    decision: served; shadow (would have been served: shadow mode); off (would have been served, but the partition is
      turned off or not proven yet); explore (generated afresh to learn); gate (similar, but every candidate was refused
      by a gate); none (nothing similar); unembedded (the embedder was slow, down or refused the text)
    verdict: right, wrong, undecided (no fresh answer came), dropped (the queue was full)
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter("sllm_cache_semantic_decisions", "Look-ups by what was decided.", ("model", "decision"), registry=registry)
        self.gates = Counter("sllm_cache_semantic_gates", "Similar questions that a gate refused.", ("gate",), registry=registry)
        self.comparisons = Counter(
            "sllm_cache_semantic_comparisons", "Kept answers held against fresh ones.", ("model", "verdict"), registry=registry
        )
        self.embedder = Counter(
            "sllm_cache_semantic_embedder_failures", "Questions without a vector: slow, down, long.", ("why",), registry=registry
        )
        self.embed_seconds = Histogram(
            "sllm_cache_semantic_embed_seconds", "The embedder's time for a question.", buckets=SECONDS, registry=registry
        )
        live = {"registry": registry, "multiprocess_mode": "livemax"}
        self.questions = Gauge("sllm_cache_semantic_questions", "Questions in this worker's memory.", **live)  # type: ignore[arg-type]
        self.off = Gauge("sllm_cache_semantic_partitions_off", "Partitions that semantic serving is turned off for.", ("model",), **live)  # type: ignore[arg-type]
