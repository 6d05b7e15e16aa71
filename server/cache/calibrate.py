"""Which threshold keeps the limit: labelled pairs or a log of requests, scored and gated as the semantic cache does it.

Thresholds are chosen on one half of the pairs and judged on the other. The halves are by hash of the pair's group, so that variants of one
question stay together and another run splits the same way. A *false hit* is a hit on a pair that does not mean the same; the false-hit rate
is their share of all hits, since that is what `max_false_hit_rate` bounds while serving.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from server.cache.semantic.gates import GATES, objections
from server.errors import SLLMError

SHIPPED = Path(__file__).parent / "semantic/data"
ALPHA = 0.05
HASH = re.compile("[0-9a-f]{8,64}")


class CalibrationError(SLLMError):
    """The file holds nothing that can be calibrated with."""


@dataclass(frozen=True)
class Pair:
    """`score`: the cosine of the two questions, None until it is known. `refused`: the gates that object, each with its reason."""

    a: str
    b: str
    same: bool
    differs: str | None = None
    group: str = ""
    score: float | None = None
    refused: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def tuning(self) -> bool:
        """By the last bit of the group's hash; the shipped pairs' groups are hashes (SHA-256 of the group's first question)."""
        group = self.group or "\n".join(sorted((self.a, self.b)))
        if not HASH.fullmatch(group):
            group = hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest()
        return int(group[-1], 16) % 2 == 0


@dataclass(frozen=True)
class Outcome:
    """What a threshold does to a set of pairs. Rates are None where nothing was counted; `bound` is 1 without hits."""

    threshold: float
    hits: int
    false_hits: int
    same: int
    different: int
    hit_rate: float | None  # of the pairs that mean the same
    false_hit_rate: float | None  # of the hits
    bound: float  # its upper end, 95%, one-sided
    passed_rate: float | None  # of the pairs that differ
    passed_bound: float


def clopper_pearson(wrong: int, of: int, alpha: float = ALPHA) -> float:
    """The exact upper bound (one-sided, confidence 1 - alpha) on a rate of which `wrong` in `of` were seen; 1 for no trials.

    Clopper and Pearson, Biometrika 26 (1934): the rate at which so few would be seen with probability alpha. Raises ValueError.
    """
    if not 0 <= wrong <= of:
        raise ValueError(f"{wrong} of {of} is no share")
    if wrong == of:
        return 1.0
    low, high = wrong / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, of, middle) > alpha else (low, middle)
    return high


def _at_most(wrong: int, of: int, rate: float) -> float:
    """The probability of at most `wrong` in `of` at `rate` (0 < rate < 1), by logarithms so that many trials do not underflow."""
    base, log_rate, log_rest = math.lgamma(of + 1), math.log(rate), math.log1p(-rate)
    return math.fsum(
        math.exp(base - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * log_rate + (of - k) * log_rest) for k in range(wrong + 1)
    )


def outcome(pairs: Sequence[Pair], threshold: float, gated: bool = True) -> Outcome:
    """Hits and false hits at `threshold`; with `gated` only of pairs that no gate objects to."""
    hits = [pair for pair in pairs if pair.score is not None and pair.score >= threshold and not (gated and pair.refused)]
    same, false = sum(pair.same for pair in pairs), sum(not pair.same for pair in hits)
    different = len(pairs) - same
    return Outcome(
        threshold=threshold,
        hits=len(hits),
        false_hits=false,
        same=same,
        different=different,
        hit_rate=(len(hits) - false) / same if same else None,
        false_hit_rate=false / len(hits) if hits else None,
        bound=clopper_pearson(false, len(hits)) if hits else 1.0,
        passed_rate=false / different if different else None,
        passed_bound=clopper_pearson(false, different) if different else 1.0,
    )


def curve(pairs: Sequence[Pair], gated: bool = True) -> list[Outcome]:
    """The outcome at each hundredth from 0 to 1."""
    return [outcome(pairs, step / 100, gated) for step in range(101)]


def lowest(pairs: Sequence[Pair], limit: float, *, bound: bool = False, gated: bool = True) -> float | None:
    """The lowest threshold (in hundredths) that keeps the limit; None where none does.

    By the rate, one more false hit is counted than was seen, so that a rate that only these pairs have is not taken for the rule: the
    correction of conformal risk control (Angelopoulos et al., https://arxiv.org/abs/2208.02814). With `bound`, by the 95% bound.
    """
    for step in curve(pairs, gated):
        if step.hits and (step.bound if bound else (step.false_hits + 1) / (step.hits + 1)) <= limit:
            return step.threshold
    return None


@dataclass(frozen=True)
class Calibration:
    limit: float
    embedder: str
    pairs: int
    threshold: float | None  # chosen on the tuning half by the rate
    threshold_by_bound: float | None  # by the bound; None: not enough pairs to promise the limit with 95%
    tuning: Outcome | None
    held_out: Outcome | None
    ungated: Outcome | None  # the held-out half at the same threshold without gates
    ungated_best: Outcome | None  # without gates at the threshold that would keep the limit on the tuning half
    gates: list[dict[str, Any]]  # each gate's part on the held-out half
    missed: dict[str, dict[str, int]]  # how pairs differ -> pairs and false hits, held-out half
    curve: list[Outcome]  # held-out, gated
    curve_ungated: list[Outcome]


def calibrate(pairs: Sequence[Pair], limit: float, embedder: str, judge: Sequence[Pair] = ()) -> Calibration:
    """`pairs` have scores and verdicts. With `judge`, those stand in for the held-out half.

    Raises CalibrationError when a half lacks pairs of either kind.
    """
    tuning, held = [p for p in pairs if p.tuning], list(judge) or [p for p in pairs if not p.tuning]
    for name, half in (("tuning", tuning), ("held-out", held)):
        if not any(p.same for p in half) or all(p.same for p in half):
            raise CalibrationError(f"{len(pairs)} pairs: the {name} half lacks pairs that mean the same or that differ; add more of both.")
    threshold = lowest(tuning, limit)
    ungated = lowest(tuning, limit, gated=False)
    at = 1.01 if threshold is None else threshold
    return Calibration(
        limit=limit,
        embedder=embedder,
        pairs=len(pairs),
        threshold=threshold,
        threshold_by_bound=lowest(tuning, limit, bound=True),
        tuning=outcome(tuning, at),
        held_out=outcome(held, at),
        ungated=outcome(held, at, gated=False),
        ungated_best=None if ungated is None else outcome(held, ungated, gated=False),
        gates=parts(held, at),
        missed=by_difference(held, at),
        curve=curve(held),
        curve_ungated=curve(held, gated=False),
    )


def parts(pairs: Iterable[Pair], threshold: float) -> list[dict[str, Any]]:
    """What each gate refuses of the pairs at or above the threshold, and what it alone does."""
    near = [pair for pair in pairs if pair.score is not None and pair.score >= threshold]
    rows = []
    for gate in GATES:
        refused = [pair for pair in near if gate in pair.refused]
        alone = [pair for pair in refused if len(pair.refused) == 1]
        rows.append(
            {
                "gate": gate,
                "different_refused": sum(not p.same for p in refused),
                "different_alone": sum(not p.same for p in alone),
                "same_refused": sum(p.same for p in refused),
                "same_alone": sum(p.same for p in alone),
            }
        )
    return rows


def by_difference(pairs: Iterable[Pair], threshold: float) -> dict[str, dict[str, int]]:
    """How the different pairs differ: their number, and the false hits among them."""
    found: dict[str, dict[str, int]] = {}
    for pair in pairs:
        if not pair.same:
            row = found.setdefault(pair.differs or "unlabelled", {"pairs": 0, "false_hits": 0})
            row["pairs"] += 1
            row["false_hits"] += pair.score is not None and pair.score >= threshold and not pair.refused
    return dict(sorted(found.items()))


def gate(pair: Pair) -> Pair:
    """`pair` with the gates' verdicts."""
    return replace(pair, refused=objections(pair.a, pair.b))


def as_dict(calibration: Calibration) -> dict[str, Any]:
    return asdict(calibration)


def shipped(language: str) -> Path:
    """The pairs that come with the project: "ko" or "en"."""
    return SHIPPED / f"pairs.{language}.jsonl"


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file. Raises CalibrationError with the line that is none."""
    rows = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                raise CalibrationError(f"{file}, line {number} is not JSON.") from None
            if not isinstance(row, dict):
                raise CalibrationError(f"{file}, line {number} is no JSON object.")
            rows.append(row)
    if not rows:
        raise CalibrationError(f"{file} is empty.")
    return rows
