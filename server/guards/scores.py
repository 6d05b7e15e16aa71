"""How good findings are: precision, recall and F1 of spans and of texts.

A found span is right when a labelled one has the same characters and the same category (`exact`), or, in the tolerant
count, when it shares a character with a labelled one of its category; one found span pays for one labelled span.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int, str]  # [start, end) in characters, category


@dataclass
class Score:
    """What was found and is labelled (tp), found and not labelled (fp), labelled and not found (fn)."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, other: Score) -> None:
        self.tp, self.fp, self.fn = self.tp + other.tp, self.fp + other.fp, self.fn + other.fn

    @property
    def precision(self) -> float | None:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        """2 tp / (2 tp + fp + fn); None where nothing is labelled and nothing was found."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fp + self.fn else None

    def as_dict(self) -> dict[str, float | int | None]:
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn} | {k: None if v is None else round(v, 4) for k, v in rates.items()}


def same(category: str) -> str:
    """A category as it is compared: PHONE, phone and Phone are one, and so are api-key and api_key."""
    return category.casefold().replace("-", "_").replace(" ", "_")


def exact(found: Sequence[Span], labelled: Sequence[Span]) -> Score:
    right = len(set(found) & set(labelled))
    return Score(right, len(set(found)) - right, len(set(labelled)) - right)


def overlapping(found: Sequence[Span], labelled: Sequence[Span]) -> Score:
    """The tolerant count."""
    tp = sum(len(pairs(found, labelled, category)) for category in {span[2] for span in labelled})
    return Score(tp, len(set(found)) - tp, len(set(labelled)) - tp)


def pairs(found: Sequence[Span], labelled: Sequence[Span], category: str) -> list[tuple[Span, Span]]:
    """Spans of one category that share a character, each span in one pair at most; the first in the text go first."""
    left, right = (sorted({span for span in spans if span[2] == category}) for spans in (found, labelled))
    matched, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i][0] < right[j][1] and right[j][0] < left[i][1]:
            matched.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif left[i][1] <= right[j][0]:
            i += 1
        else:
            j += 1
    return matched


def covered(found: Sequence[Span], labelled: Sequence[Span]) -> tuple[int, int]:
    """(labelled characters that lie in some found span, labelled characters): what redaction would have taken out."""
    taken = set[int]()
    for start, end, _ in found:
        taken.update(range(start, end))
    wanted = set[int]()
    for start, end, _ in labelled:
        wanted.update(range(start, end))
    return len(wanted & taken), len(wanted)


def in_order(findings: Sequence[Sequence[Span]]) -> list[Span]:
    """The findings of several guards as one: where two overlap, that of the guard that is earlier in the list."""
    kept: list[Span] = []  # sorted, none over another
    for spans in findings:
        for span in spans:
            at = bisect.bisect(kept, span)
            if (at == 0 or kept[at - 1][1] <= span[0]) and (at == len(kept) or span[1] <= kept[at][0]):
                kept.insert(at, span)
    return kept


def recall_at(scores: Sequence[tuple[float, bool]], most: float) -> tuple[float, float, float] | None:
    """(recall, false positives, threshold) at the threshold with the highest recall whose share of false positives is at most `most`.

    `scores`: (score of a text, whether it is a positive). A text is found when its score is at least the threshold; texts with
    one score are found together. None without positives or without negatives.
    """
    positives = sum(label for _, label in scores)
    negatives = len(scores) - positives
    if not positives or not negatives:
        return None
    best, tp, fp = (0.0, 0.0, 1.0), 0, 0
    ranked = sorted(scores, key=lambda scored: -scored[0])
    for at, (score, label) in enumerate(ranked):
        tp, fp = tp + label, fp + (not label)
        last_of_its_score = at + 1 == len(ranked) or ranked[at + 1][0] != score
        if last_of_its_score and score > 0 and fp / negatives <= most and tp / positives > best[0]:
            best = (tp / positives, fp / negatives, score)
    return best
