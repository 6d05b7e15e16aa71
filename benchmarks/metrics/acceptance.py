"""How many proposed tokens were accepted, from the engine's own counters before and after a level of load.

vLLM's definitions (vllm/v1/spec_decode/metrics.py, SpecDecodingLogging): acceptance rate = accepted / drafted tokens; acceptance
length = 1 + accepted tokens / drafts, since each draft's step brings one token of the model's own as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DRAFTS, DRAFTED, ACCEPTED = (f"vllm:spec_decode_num_{name}_total" for name in ("drafts", "draft_tokens", "accepted_tokens"))
_POSITION = re.compile(r'vllm:spec_decode_num_accepted_tokens_per_pos_total\{position="(\d+)"\}')


@dataclass(frozen=True)
class Acceptance:
    """Counts of one level. `by_position[i]`: accepted tokens at place i of a draft."""

    drafts: int
    drafted: int
    accepted: int
    by_position: tuple[int, ...] = ()

    @property
    def rate(self) -> float | None:
        """Share of the proposed tokens that were accepted; None where none was proposed."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def length(self) -> float | None:
        """Tokens that a step with a draft brought, the model's own among them; None without drafts."""
        return 1 + self.accepted / self.drafts if self.drafts else None

    def __add__(self, other: Acceptance) -> Acceptance:
        width = max(len(self.by_position), len(other.by_position))
        mine, theirs = ((*a.by_position, *[0] * (width - len(a.by_position))) for a in (self, other))
        both = tuple(one + two for one, two in zip(mine, theirs, strict=True))
        return Acceptance(self.drafts + other.drafts, self.drafted + other.drafted, self.accepted + other.accepted, both)

    def as_dict(self) -> dict[str, Any]:
        """Counts and figures; `position_rates`: share of drafts whose token at each place was accepted."""
        rates = [round(count / self.drafts, 4) for count in self.by_position] if self.drafts else []
        return {
            "drafts": self.drafts,
            "drafted_tokens": self.drafted,
            "accepted_tokens": self.accepted,
            "accepted_by_position": list(self.by_position),
            "rate": None if self.rate is None else round(self.rate, 4),
            "length": None if self.length is None else round(self.length, 4),
            "position_rates": rates,
        }


def from_dict(kept: Mapping[str, Any]) -> Acceptance:
    """What as_dict() made."""
    return Acceptance(kept["drafts"], kept["drafted_tokens"], kept["accepted_tokens"], tuple(kept["accepted_by_position"]))


def between(before: Mapping[str, float], after: Mapping[str, float]) -> Acceptance | None:
    """What was counted from one reading of Stack.metrics() to the next; None for an engine that does not speculate."""
    if DRAFTS not in after:
        return None

    def counted(name: str) -> int:
        return round(after.get(name, 0.0) - before.get(name, 0.0))

    places = sorted((int(found[1]), name) for name in after if (found := _POSITION.fullmatch(name)))
    return Acceptance(counted(DRAFTS), counted(DRAFTED), counted(ACCEPTED), tuple(counted(name) for _, name in places))
