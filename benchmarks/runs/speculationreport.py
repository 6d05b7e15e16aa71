"""What `sllm bench speculation` found: speed-up, acceptance and equal answers by batch size, and the block to configure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.metrics.acceptance import Acceptance, from_dict
from benchmarks.provenance import ROOT
from benchmarks.reports import document
from benchmarks.runs import settings
from benchmarks.runs.measured import Measured
from benchmarks.runs.variants import Variant
from benchmarks.runs.verdict import speed_up, verdict
from benchmarks.stack import DEMO

CONFIGURATION = "speculative.yaml"
COLUMNS = [
    ("variant", "Speculation", ""),
    ("batch", "Batch size", ""),
    ("output", "Output tokens", "1/s"),
    ("speed_up", "Speed-up", "times"),
    ("low", "Lowest", "times"),
    ("high", "Highest", "times"),
    ("rate", "Acceptance rate", "%"),
    ("length", "Acceptance length", "tokens"),
    ("equal", "Answers as without", "%"),
    ("tpot", "TPOT p50", "ms"),
    ("failed", "Failed", ""),
]
NOTE = (
    "Speed-up: output tokens/s over those without speculation at the same batch size, medians over the rounds of none at the start and at "
    "the end; lowest and highest: slowest round over its fastest, and the other way. Acceptance length: 1 + accepted tokens / drafts, as "
    "vLLM counts. Answers as without: greedy answers whose text equals the first one of none."
)


def write(made: dict[str, Any], kept: Sequence[Measured], model: str | None, left_out: Mapping[str, str]) -> None:
    """Tables, pictures and document["speculation"], from what is measured so far."""
    rows = [row for one in kept for row in _rows(one, kept)]
    best = verdict({one.name: output(one) for one in kept if one.variant.method and not one.failed}, _none(kept))
    whole = any(one.variant.again for one in kept)
    chosen = next((one.variant for one in kept if one.name == best.best), None) if whole else None
    made["speculation"] = {
        "best": chosen.name if chosen else None,
        "block": _block(chosen) if chosen else None,
        "configuration": {"models": [_entry(model, chosen)]} if chosen else None,
        "why": best.why if whole else "not every variant was measured: the same command with the same --out goes on",
        "drift": _drift(kept),
        "ready_seconds": {one.name: one.ready_seconds for one in kept},
    }
    made["tables"] = [
        settings.table(
            "Speculative decoding", f"{made['speculation']['why']}. {_block_said(chosen)}{_drift_said(kept)}{NOTE}", COLUMNS, rows
        )
    ]
    missing = [{"what": one.name, "why": one.failed} for one in kept if one.failed]
    missing += [{"what": method, "why": why} for method, why in left_out.items()]
    if missing:
        made["tables"].append(settings.table("Not measured", "", [("what", "Speculation", ""), ("why", "Why", "")], missing))
    made["pictures"] = _pictures(kept, rows)


def lines(made: Mapping[str, Any]) -> list[str]:
    """The verdict and the block for the screen."""
    import yaml

    found = made["speculation"]
    if not found["configuration"]:
        return [found["why"]]
    return [found["why"], "", *yaml.safe_dump(found["configuration"], sort_keys=False, allow_unicode=True).splitlines()]


def configuration(made: Mapping[str, Any], folder: Path) -> Path | None:
    """Write the best block as a configuration that `sllm serve --config` takes; None, and an older file goes, where none is best."""
    file = folder / CONFIGURATION
    if not made["speculation"]["configuration"]:
        file.unlink(missing_ok=True)
        return None
    why, _, *block = lines(made)
    document.write(file, "\n".join([f"# {why}", *block]) + "\n")
    return file


def output(one: Measured) -> dict[int, list[float]]:
    """Output tokens/s of each round, by batch size."""
    found: dict[int, list[float]] = defaultdict(list)
    for level in one.levels:
        found[level["load"]["concurrency"]].append(level["summary"]["output_tokens_per_second"])
    return dict(found)


def _none(kept: Sequence[Measured]) -> dict[int, list[float]]:
    """Rounds without speculation, those of the start and of the end together."""
    both: dict[int, list[float]] = defaultdict(list)
    for one in kept:
        if not one.variant.method:
            for size, rates in output(one).items():
                both[size] += rates
    return dict(both)


def _rows(one: Measured, kept: Sequence[Measured]) -> list[dict[str, Any]]:
    none = _none(kept)
    first = next((other for other in kept if not other.variant.method and not other.variant.again), None)
    rows = []
    for size, rates in output(one).items():
        levels = [place for place, level in enumerate(one.levels) if level["load"]["concurrency"] == size]
        gain = speed_up(rates, none.get(size, [])) if one.variant.method or one.variant.again else None
        found = _accepted(one, levels)
        summaries = [one.levels[place]["summary"] for place in levels]
        tpot = [value["p50"] for s in summaries if (value := s["tpot_ms"]["vllm"])]
        rows.append(
            {
                "variant": one.name,
                "batch": size,
                "output": round(statistics.median(rates), 1),
                "speed_up": round(gain.median, 3) if gain else None,
                "low": round(gain.low, 3) if gain else None,
                "high": round(gain.high, 3) if gain else None,
                "rate": round(found.rate * 100, 1) if found and found.rate is not None else None,
                "length": round(found.length, 3) if found and found.length is not None else None,
                "equal": _equal(one, first, levels),
                "tpot": round(statistics.median(tpot), 3) if tpot else None,
                "failed": sum(s["requests"]["failed"] for s in summaries),
            }
        )
    return rows


def _accepted(one: Measured, levels: Sequence[int]) -> Acceptance | None:
    found = [from_dict(kept) for place in levels if (kept := one.accepted[place])]
    return sum(found[1:], found[0]) if found else None


def _equal(one: Measured, first: Measured | None, levels: Sequence[int]) -> float | None:
    """Per cent of the answers that are the same text as none's to the same prompts; None for none itself."""
    if first is None or one is first:
        return None
    theirs = {_round(level): first.answers[place] for place, level in enumerate(first.levels)}
    pairs = [
        (mine, other)
        for place in levels
        for mine, other in zip(one.answers[place], theirs.get(_round(one.levels[place]), []), strict=False)
    ]
    counted = [mine == other for mine, other in pairs if mine and other]
    return round(100 * sum(counted) / len(counted), 1) if counted else None


def _round(level: Mapping[str, Any]) -> tuple[int, int]:
    return level["load"]["concurrency"], level["repeat"]


def _drift(kept: Sequence[Measured]) -> dict[str, float]:
    """none at the end over none at the start, output tokens/s, by batch size."""
    start = next((output(one) for one in kept if not one.variant.method and not one.variant.again), {})
    end = next((output(one) for one in kept if one.variant.again), {})
    return {str(size): round(statistics.median(end[size]) / statistics.median(start[size]), 3) for size in start if end.get(size)}


def _block_said(chosen: Variant | None) -> str:
    import yaml

    if chosen is None:
        return ""
    block = yaml.safe_dump({"speculative": _block(chosen)}, default_flow_style=True, sort_keys=False, width=1000).strip()
    return f"For the model in the configuration, and kept in {CONFIGURATION}: `{block[1:-1]}`. "


def _drift_said(kept: Sequence[Measured]) -> str:
    drift = _drift(kept)
    if not drift:
        return ""
    said = ", ".join(f"{ratio:.2f} times at {size}" for size, ratio in drift.items())
    return f"Without speculation, the end of the run against its start: {said}. "


def _block(variant: Variant) -> dict[str, Any]:
    """The `speculative:` block; folders of the project by their short name, under which the configuration finds them."""
    block = dict(variant.block or {})
    return {**block, **({"model": _short(block["model"])} if "model" in block else {})}


def _entry(model: str | None, variant: Variant) -> dict[str, Any]:
    path = _short(model or str(DEMO))
    return {"name": Path(path).name if Path(path).is_dir() or model is None else path, "path": path, "speculative": _block(variant)}


def _short(path: str) -> str:
    return str(Path(path).relative_to(ROOT)) if Path(path).is_absolute() and Path(path).is_relative_to(ROOT) else path


def _pictures(kept: Sequence[Measured], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(row["variant"] for row in rows if row["speed_up"] is not None))

    def by_batch(key: str) -> dict[str, list[tuple[int, float]]]:
        found = {name: [(row["batch"], row[key]) for row in rows if row["variant"] == name and row[key] is not None] for name in names}
        return {name: sorted(points) for name, points in found.items() if points}

    places = {
        one.name: [(place + 1, rate) for place, rate in enumerate(whole.as_dict()["position_rates"])]
        for one in kept
        if (whole := _accepted(one, range(len(one.levels))))
    }
    size = "batch size (requests open at a time)"
    made = [
        (
            "Speed-up by batch size",
            "Output tokens/s over those without speculation; above 1 is faster.",
            size,
            "times",
            by_batch("speed_up"),
        ),
        ("Acceptance length by batch size", "1 + accepted tokens / drafts.", size, "tokens a step", by_batch("length")),
        ("Acceptance by place in the draft", "Share of drafts whose token at this place was accepted.", "place", "share", places),
    ]
    return [settings.picture(title, caption, x, y, series) for title, caption, x, y, series in made if series]
