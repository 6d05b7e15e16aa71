"""Two results side by side: what differs in their set-ups, then each figure of each load with its ratio and a verdict."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.metrics import definitions, noise
from benchmarks.reports import differences, document
from benchmarks.reports.levels import load_name

LEAST_AT_THE_TAIL = 0.05  # a p99 is the word of few requests


@dataclass(frozen=True)
class Kind:
    """One figure that is compared. `path`: where it stands in a level's summary."""

    name: str
    unit: str
    path: tuple[str, ...]
    higher_is_better: bool
    least: float = noise.LEAST


LATENCIES = [
    Kind(f"{title} {percent}", "ms", (metric, "vllm", percent), False, LEAST_AT_THE_TAIL if percent == "p99" else noise.LEAST)
    for title, metric in (("TTFT", "ttft_ms"), ("TPOT", "tpot_ms"), ("E2E", "e2e_ms"))
    for percent in ("p50", "p99")
]
FIGURES = [
    Kind("requests", "1/s", ("request_rate",), True),
    Kind("output tokens", "1/s", ("output_tokens_per_second",), True),
    *LATENCIES,
    Kind("goodput", "1/s", ("goodput", "requests_per_second"), True),
]


@dataclass(frozen=True)
class Figure:
    """`a` and `b` are medians over rounds; None: that side has none."""

    name: str
    unit: str
    a: float | None
    b: float | None
    verdict: noise.Verdict


@dataclass(frozen=True)
class Matched:
    """One load that both results have."""

    name: str
    rounds: tuple[int, int]
    failed: tuple[int, int]  # of all rounds together
    partial: tuple[str | None, str | None]
    figures: list[Figure]


@dataclass(frozen=True)
class Comparison:
    """B against A. `together`: each figure over all loads that both have, as geometric means, where rounds allow it."""

    kind: str
    a: dict[str, Any]  # date, command, status, note
    b: dict[str, Any]
    set_up: list[tuple[str, str, str]]
    notes: list[str]
    levels: list[Matched] = field(default_factory=list)
    together: list[Figure] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    tables: list[differences.Table] = field(default_factory=list)


Rounds = dict[int, dict[str, Any]]  # round -> level


def compare(a: dict[str, Any], b: dict[str, Any]) -> Comparison:
    """Two documents that load() gave. Raises BenchUsageError when they are of different kinds, or have nothing in common."""
    if a["kind"] != b["kind"]:
        raise BenchUsageError(f"A is a result of `sllm bench {a['kind']}`, B of `sllm bench {b['kind']}`: give two results of one kind")
    ours, theirs = _loads(a), _loads(b)
    paired = in_turns(a, b)
    slo = a["settings"].get("slo") == b["settings"].get("slo")
    kinds = [kind for kind in FIGURES if kind.name != "goodput" or slo]
    both = [key for key in ours if key in theirs]
    levels = [_matched(ours[key], theirs[key], kinds, paired) for key in both]
    tables, only_a, only_b = differences.tables(a, b)
    only_a = [_name(ours[key]) for key in ours if key not in theirs] + only_a
    only_b = [_name(theirs[key]) for key in theirs if key not in ours] + only_b
    if not levels and not tables:
        missing = f"A has {', '.join(only_a) or 'nothing'}; B has {', '.join(only_b) or 'nothing'}"
        raise BenchUsageError(f"the two results have no load and no table in common ({missing}): run both with the same loads")
    together = [_together(kind, [(ours[key], theirs[key]) for key in both], paired) for kind in kinds] if len(levels) > 1 else []
    return Comparison(
        a["kind"],
        _head(a),
        _head(b),
        differences.set_up(a, b),
        _notes(a, b, levels, paired=paired, slo=slo),
        levels,
        [figure for figure in together if figure],
        only_a,
        only_b,
        tables,
    )


def in_turns(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether the rounds of two results were run in turns: round k of each was over before round k + 1 of the other began."""
    starts: list[dict[int, list[str]]] = [{}, {}]
    for side, one in zip(starts, (a, b), strict=True):
        for level in one["levels"]:
            side.setdefault(level["repeat"], []).append(level.get("started", ""))
    if not starts[0] or starts[0].keys() != starts[1].keys():
        return False
    rounds = sorted(starts[0])
    return len(rounds) > 1 and all(
        max(one[now]) <= min(other[after]) for now, after in pairwise(rounds) for one, other in (starts, starts[::-1])
    )


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison for JSON."""
    made: dict[str, Any] = document.plain(asdict(comparison))
    made["set_up"] = [{"name": name, "a": one, "b": other} for name, one, other in comparison.set_up]
    return made


def lines(comparison: Comparison) -> list[str]:
    """The comparison for a terminal."""
    from benchmarks.reports.compare_text import lines as text

    return text(comparison)


def _head(one: dict[str, Any]) -> dict[str, Any]:
    made = one["provenance"]
    return {"date": made.get("date"), "command": made.get("command"), "status": one["status"], "note": one.get("note")}


def _loads(one: dict[str, Any]) -> dict[str, Rounds]:
    """Rounds by load. How many requests a level had is no part of it (it is in the notes); a level's own settings are."""
    found: dict[str, Rounds] = {}
    for level in one["levels"]:
        load = level["load"]
        key = [load.get(name) for name in ("mode", "concurrency", "rate", "burstiness")]
        found.setdefault(json.dumps([*key, level.get("settings")], sort_keys=True), {})[level["repeat"]] = level
    return found


def _name(rounds: Rounds) -> str:
    return load_name(next(iter(rounds.values()))["load"])


def _matched(a: Rounds, b: Rounds, kinds: Sequence[Kind], paired: bool) -> Matched:
    failed = [sum(level["summary"]["requests"]["failed"] for level in side.values()) for side in (a, b)]
    cut = [next((level["partial"] for level in side.values() if level.get("partial")), None) for side in (a, b)]
    figures = [figure for kind in kinds if (figure := _figure(kind, a, b, paired))]
    return Matched(_name(a), (len(a), len(b)), (failed[0], failed[1]), (cut[0], cut[1]), figures)


def _values(kind: Kind, rounds: Rounds) -> dict[int, float]:
    found: dict[int, float] = {}
    for number, level in rounds.items():
        value: Any = level["summary"]
        for key in kind.path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found[number] = float(value)
    return found


def _figure(kind: Kind, a: Rounds, b: Rounds, paired: bool) -> Figure | None:
    ours, theirs = _values(kind, a), _values(kind, b)
    if not ours and not theirs:
        return None
    verdict = _verdict(kind, ours, theirs, paired)
    if verdict.ratio is not None and verdict.interval is None and len(ours) == len(theirs) == 1 and kind in LATENCIES:
        within = noise.within_round(_samples(kind, a), _samples(kind, b), float(kind.path[-1][1:]))
        verdict = noise.few_rounds(list(ours.values()), list(theirs.values()), within, kind.least)
    middle = [statistics.median(side.values()) if side else None for side in (ours, theirs)]
    return Figure(kind.name, kind.unit, middle[0], middle[1], verdict)


def _verdict(kind: Kind, a: dict[int, float], b: dict[int, float], paired: bool) -> noise.Verdict:
    if paired and a.keys() & b.keys():  # a round without a figure on one side is no pair
        a, b = ({number: side[number] for number in sorted(a.keys() & b.keys())} for side in (a, b))
    return noise.over_rounds(list(a.values()), list(b.values()), higher_is_better=kind.higher_is_better, paired=paired, least=kind.least)


def _samples(kind: Kind, rounds: Rounds) -> list[float]:
    """The seconds of each completed request of a load's only round; none where the document keeps no requests."""
    rule = definitions.DEFINITIONS[kind.path[0]]["vllm"]
    records = [document.record(request) for level in rounds.values() for request in level.get("requests", [])]
    return [value for record in records if definitions.completed(record) and rule for value in rule.samples(record)]


def _together(kind: Kind, pairs: Sequence[tuple[Rounds, Rounds]], paired: bool) -> Figure | None:
    """One figure over all loads: in each round the geometric mean over the loads. None where a load lacks it in some round."""
    sides: list[dict[int, float]] = []
    for place in (0, 1):
        values = [_values(kind, pair[place]) for pair in pairs]
        rounds = sorted(values[0])
        if not rounds or any(sorted(one) != rounds or min(one.values()) <= 0 for one in values):
            return None
        sides.append({number: math.exp(statistics.fmean(math.log(one[number]) for one in values)) for number in rounds})
    if min(len(side) for side in sides) < noise.ROUNDS:
        return None
    a, b = sides
    verdict = _verdict(replace(kind, least=noise.LEAST), a, b, paired)
    return Figure(kind.name, kind.unit, statistics.median(a.values()), statistics.median(b.values()), verdict)


def _notes(a: dict[str, Any], b: dict[str, Any], levels: Sequence[Matched], *, paired: bool, slo: bool) -> list[str]:
    notes = []
    for name, one in (("A", a), ("B", b)):
        if one["status"] != "complete":
            notes.append(f"{name} is partial: {one.get('note') or 'the run did not end'}")
        load, cores = one["provenance"].get("load_average") or 0.0, one["provenance"].get("cores") or 1
        if load > cores / 2:
            notes.append(f"{name} began with a load average of {load:g} on {cores} cores: other work may be in its figures")
    if not slo:
        notes.append("the limits (--slo) differ, so goodput is not compared")
    sizes = [{name: {level["load"].get(name) for level in one["levels"]} for name in ("requests", "seconds")} for one in (a, b)]
    if levels and sizes[0] != sizes[1]:
        notes.append("the levels do not have the same numbers of requests or seconds in A and B")
    rounds = [min(level.rounds) for level in levels]
    if rounds and min(rounds) >= noise.ROUNDS:
        how = "in turns, compared pair by pair" if paired else "not in turns: drift of the machine between A and B is not in the interval"
        figures = sum(len(level.figures) for level in levels)
        notes.append(f"{min(rounds)} rounds, {how}")
        notes.append("A and B are medians over rounds; B / A is the geometric mean of the rounds' ratios, with Student's t interval")
        notes.append(f"of {figures} figures about {figures * 0.05:.0f} leave a 95 % interval by chance alone; look at all loads together")
    elif rounds:
        notes.append(f"{noise.ONE_ROUND}" if max(max(level.rounds) for level in levels) == 1 else noise.FEW_ROUNDS)
        notes.append("intervals are of the requests within a round and do not hold the noise between rounds")
    return notes
