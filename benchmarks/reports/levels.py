"""A results document as a reader looks at it: repeats of one load together, loads of one kind in a row, figures with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
Entry = Mapping[str, Any]  # one of document["levels"]

NOTHING = "–"  # where no figure is


@dataclass(frozen=True)
class Spread:
    """The median of the repeats, with the lowest and the highest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One load, with all its repeats."""

    name: str  # "8 at once", "2.5 req/s"
    load: Mapping[str, Any]
    levels: Sequence[Entry]
    subject: str = ""  # what was measured, where the document is of several

    @property
    def full(self) -> str:
        return f"{self.subject}, {self.name}" if self.subject else self.name

    @property
    def short(self) -> str:
        """The load as one number, for a mark in a picture."""
        return number(self.load.get("concurrency")) if self.load.get("mode") != "open" else rate_name(rate(self.load))

    @property
    def partial(self) -> list[str]:
        return [why for level in self.levels if (why := level.get("partial"))]

    def count(self, *path: str) -> int:
        """A count, summed over the repeats."""
        return sum(int(value) for level in self.levels if (value := _at(level.get("summary"), path)) is not None)

    @property
    def failed(self) -> int:
        return self.count("requests", "failed")

    @property
    def errors(self) -> dict[str, int]:
        """Failed requests by class, summed over the repeats, most frequent first."""
        found: dict[str, int] = {}
        for level in self.levels:
            for name, times in (_at(level.get("summary"), ("requests", "errors")) or {}).items():
                found[name] = found.get(name, 0) + int(times)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def values(self, *path: str) -> list[float]:
        """A figure of the summary, `path` keys deep, of each repeat that has it."""
        found = (_at(level.get("summary"), path) for level in self.levels)
        return [float(value) for value in found if isinstance(value, int | float) and math.isfinite(value)]

    def spread(self, *path: str) -> Spread | None:
        values = self.values(*path)
        return Spread(statistics.median(values), min(values), max(values)) if values else None

    def median(self, *path: str) -> float | None:
        spread = self.spread(*path)
        return spread.median if spread else None


@dataclass(frozen=True)
class Curve:
    """Loads that differ in one number only, in its order: what one line of a picture goes through."""

    name: str  # what sets it apart from the document's other curves; "" where there is only one
    mode: str
    rows: list[Row] = field(default_factory=list)

    @property
    def knob(self) -> str:
        return "arrival rate asked for, requests/s" if self.mode == "open" else "requests open at a time"


def curves(document: Document) -> list[Curve]:
    """The document's levels as curves, in the order in which they were first run; without levels none.

    Levels of the same load are repeats of one another unless they are of different subjects: another model, other flags, or
    another prompt set (or way of batching, or speculation, which stand in its place) where one round ran several.
    """
    entries = list(document.get("levels") or [])
    several = _several_prompt_sets(entries)
    subjects = [_subject(entry, several) for entry in entries]
    differing = [place for place in range(len(subjects[0]) if subjects else 0) if len({subject[place] for subject in subjects}) > 1]
    labels = [", ".join(filter(None, (subject[place] for place in differing))) for subject in subjects]
    found = []
    for label, mode in dict.fromkeys((label, _mode(entry)) for label, entry in zip(labels, entries, strict=True)):
        mine = [entry for own, entry in zip(labels, entries, strict=True) if (own, _mode(entry)) == (label, mode)]
        loads = list(dict.fromkeys(_knobs(entry["load"]) for entry in mine))
        rows = [_row([entry for entry in mine if _knobs(entry["load"]) == load], label) for load in loads]
        found.append((label, mode, sorted(rows, key=lambda row: knob(row.load))))
    both = {label for label, mode, _ in found for other, another, _ in found if label == other and mode != another}
    ways = {"open": "by rate", "closed": "by concurrency"}
    return [Curve(", ".join(filter(None, (label, ways[mode] if label in both else ""))), mode, rows) for label, mode, rows in found]


def repeats(document: Document) -> int:
    """How often the load that was run most often was run."""
    return max((len(row.levels) for curve in curves(document) for row in curve.rows), default=0)


def load_name(load: Mapping[str, Any]) -> str:
    """A load in a few words: "8 at once", "2.5 req/s", "2.5 req/s, burstiness 0.5, at most 64 open"."""
    concurrency = load.get("concurrency")
    if load.get("mode") != "open":
        return f"{number(concurrency)} at once"
    words = [name if (name := rate_name(rate(load))) == "all at once" else f"{name} req/s"]
    if (burstiness := load.get("burstiness", 1.0)) not in (1.0, None):
        words.append(f"burstiness {number(burstiness)}")
    if concurrency:
        words.append(f"at most {number(concurrency)} open")
    return ", ".join(words)


def rate_name(value: float) -> str:
    return number(value) if math.isfinite(value) else "all at once"


def rate(load: Mapping[str, Any]) -> float:
    """Requests/s asked for; inf where all start at once (JSON has no number for it, so "inf" and null are read too)."""
    value = load.get("rate")
    return math.inf if value is None else float(value)


def knob(load: Mapping[str, Any]) -> float:
    """The number that is turned from level to level: the rate, or the concurrency."""
    return rate(load) if load.get("mode") == "open" else float(load.get("concurrency") or 0)


def is_knee(document: Document, row: Row) -> bool:
    """Whether the knee was found at this load."""
    knee = document.get("knee")
    if not knee or knee.get("mode") not in (row.load.get("mode"), None):
        return False
    at = knee.get("at") or {}
    return bool(at) and all(_same(row.load.get(key), value) for key, value in at.items())


def number(value: float | None) -> str:
    """A figure with three significant digits, or all digits before its point: 0.0123, 4.57, 45.7, 457, 4,570. A count has no point."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    value = float(f"{value:.3g}")  # so that 0.9999 reads as 1.00
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def thin(items: Sequence[Any], most: int, keep: Callable[[Any], bool] = lambda item: False) -> list[Any]:
    """At most `most` items, evenly chosen, the first, the last and those to `keep` among them."""
    if len(items) <= most:
        return list(items)
    wanted = {index for index, item in enumerate(items) if keep(item)} | {0, len(items) - 1}
    free = max(0, most - len(wanted))
    evenly = (round((step + 1) * (len(items) - 1) / (free + 1)) for step in range(free))
    return [items[index] for index in sorted(wanted | set(evenly))]


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _row(entries: Sequence[Entry], subject: str) -> Row:
    return Row(load_name(entries[0]["load"]), entries[0]["load"], entries, subject)


def _subject(entry: Entry, with_prompts: bool) -> tuple[str, ...]:
    parts = (entry.get("model"), entry.get("flags"), entry.get("prompt_set") if with_prompts else "")
    return tuple(str(part or "") for part in parts)


def _several_prompt_sets(entries: Sequence[Entry]) -> bool:
    """Whether one round ran more than one prompt set. One that is drawn anew for each round is no subject of its own."""
    rounds: dict[Any, set[Any]] = {}
    for entry in entries:
        rounds.setdefault((entry.get("model"), entry.get("flags"), entry.get("repeat")), set()).add(entry.get("prompt_set"))
    return any(len(sets) > 1 for sets in rounds.values())


def _mode(entry: Entry) -> str:
    return "open" if entry["load"].get("mode") == "open" else "closed"


def _knobs(load: Mapping[str, Any]) -> tuple[Any, ...]:
    return (load.get("concurrency"), rate(load) if load.get("mode") == "open" else None, load.get("burstiness", 1.0))


def _same(one: Any, other: Any) -> bool:
    return float(one) == float(other) if one is not None and other is not None else one is other


def _at(value: Any, path: Iterable[str]) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
