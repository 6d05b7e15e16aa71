"""What one way of speculating gave, as it is kept beside the document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.runs.variants import Variant


@dataclass
class Measured:
    """What one variant gave; `failed`: why its engine did not start or did not last."""

    variant: Variant
    levels: list[dict[str, Any]] = field(default_factory=list)  # as in the document
    accepted: list[dict[str, Any] | None] = field(default_factory=list)  # Acceptance.as_dict() of each level
    answers: list[list[str]] = field(default_factory=list)  # of each level: a digest of each answer
    ready_seconds: float | None = None
    server: dict[str, Any] | None = None
    failed: str | None = None

    @property
    def name(self) -> str:
        return self.variant.name
