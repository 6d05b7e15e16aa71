"""evaluation.html: pictures, table, details and definitions in one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from quantize.evaluation import figures, provenance
from quantize.evaluation.chart import NARROW, WIDE, Axis, Chart, Value, draw
from quantize.evaluation.compare import Result
from quantize.evaluation.definitions import DEFINED
from quantize.evaluation.table import notes
from quantize.units import size

MIB = 2**20
LONGEST_NAME = 26  # letters of a name in a picture
SHOWN_LOST = 8  # questions that only the baseline answered right

DIFFERENCE = Axis("Mean |Δ logprob|", lambda v: f"|Δ logprob| {v:.4f}", lambda v: f"{v:.3g}", unit=0.001)
MATCH = Axis("Exact match", lambda v: f"exact match {v:.1%}", lambda v: f"{100 * v:.3g} %", more_is_better=True, unit=0.01)


@dataclass(frozen=True)
class Picture:
    wide: Chart
    narrow: Chart
    without: list[str]  # models that lack one of the two figures


def render(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """The page of these results; `about` as in record.about."""
    groups = figures.groups(results)
    baseline = next((result for result in results if result.is_baseline), None)
    terms = {column.term: DEFINED[column.term] for group in groups for column in group.columns if column.term}
    return _template().render(
        results=results,
        baseline=baseline,
        about=about,
        machine=provenance.in_words(about["machine"]),
        pictures=pictures(results),
        groups=groups,
        terms=terms,
        notes=notes(results),
        lost={result.name: lost(result, baseline) for result in results},
        size=size,
    )


def pictures(results: Sequence[Result]) -> list[Picture]:
    """Size against quality, then speed against quality at each concurrency; none where no quality was measured."""
    quality = _quality(results)
    if quality is None:
        return []
    y, values = quality
    largest = max(result.disk for result in results)
    unit, letters = (2**30, "GiB") if largest >= 2**30 else (MIB, "MiB")
    disk = Axis(f"Size on disk, {letters}", lambda v: size(v * unit), lambda v: f"{v:.3g}", unit=0.1)
    found = [_picture("Size against quality", results, values, {r.name: r.disk / unit for r in results}, disk, y)]
    for concurrency in sorted({speed.concurrency for result in results for speed in result.speed}):
        at = "one request at a time" if concurrency == 1 else f"{concurrency} at once"
        speeds = {r.name: s.tokens_per_second for r in results for s in r.speed if s.concurrency == concurrency}
        axis = Axis(f"Output tokens/s, {at}", lambda v: f"{v:,.0f} tokens/s", lambda v: f"{v:,.0f}", more_is_better=True)
        found.append(_picture(f"Speed against quality, {at}", results, values, speeds, axis, y))
    return [picture for picture in found if picture is not None]


def _quality(results: Sequence[Result]) -> tuple[Axis, dict[str, Value]] | None:
    """The axis of quality with each model's place on it: the logprob difference, or exact match where nothing is compared."""
    apart = {
        r.name: Value(
            _short(r.name),
            0,
            r.logprobs.mean_abs_difference,
            r.logprobs.mean_abs_difference_low,
            r.logprobs.mean_abs_difference_high,
            r.is_baseline,
        )
        for r in results
        if r.logprobs and r.logprobs.mean_abs_difference is not None
    }
    if len(apart) > 1:
        return DIFFERENCE, apart
    right = {r.name: Value(_short(r.name), 0, r.exact_match.share, baseline=r.is_baseline) for r in results if r.exact_match}
    return (MATCH, right) if right else None


def _picture(
    title: str, results: Sequence[Result], quality: Mapping[str, Value], along: Mapping[str, float], x: Axis, y: Axis
) -> Picture | None:
    values = [Value(v.name, along[name], v.y, v.low, v.high, v.baseline) for name, v in quality.items() if name in along]
    without = [result.name for result in results if result.name not in quality or result.name not in along]
    if not values:
        return None
    return Picture(draw(title, values, x, y, WIDE), draw(title, values, x, y, NARROW), without)


def lost(result: Result, baseline: Result | None) -> list[tuple[str, str, str]]:
    """(prompt, wanted, got) of the first questions that only the baseline answered right."""
    if baseline is None or result.exact_match is None or not result.exact_match.lost:
        return []
    pairs = zip(result.measurement.answers, baseline.measurement.answers, strict=True)
    return [(mine.prompt, mine.wanted, mine.got) for mine, their in pairs if their.right and not mine.right][:SHOWN_LOST]


def _short(name: str) -> str:
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


@cache
def _template() -> jinja2.Template:
    folder = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")
