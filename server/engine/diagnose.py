"""Why an engine ended: a log and an exit status in, one sentence with what to change out. Filled row by row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """`retry`: whether starting again without a change could help."""

    sentence: str
    retry: bool = True


def explain(log: str, status: int | None) -> Diagnosis:
    """The cause in words. `status` as subprocess counts it; None where the engine did not end by itself."""
    return Diagnosis(f"the engine ended by itself (exit status {status})")
