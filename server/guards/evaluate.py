"""What a list of guards finds in labelled texts, and how long each guard takes: `sllm guard test`.

A line of the file is one text: `{"text": ..., "spans": [[start, end, category], ...]}` or `{"text": ..., "label": "attack"}`;
`class`, `language` and `half` group the figures where they are there. Where some texts are of the `tune` half and others of the
`held-out` one, the threshold that the former ask for is judged on the latter.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.errors import UsageError
from server.guards import language, scores
from server.guards.base import Context, Piece, Side, Verdict
from server.guards.careful import GuardFailed
from server.guards.passage import Reask, TextPassage, Trail, ask_judges
from server.guards.policy import Guard
from server.guards.scores import Score, Span
from server.guards.view import View

CLEAN = frozenset(("benign", "clean", "safe", "ok", "pass", "negative", "normal", "no", "none", "false", "0", ""))
FALSE_POSITIVES = 0.01  # at which recall is told where guards give scores
REPEATS = 3  # a detector judges each text so often; the fastest counts
GROUPS = ("class", "language", "half")
PLACE: dict[Side, tuple[str, str]] = {"input": ("messages[0].content", "user"), "output": ("choices[0].message.content", "assistant")}


class UnreadableTexts(UsageError):
    """A file of labelled texts that cannot be read; the message names the line."""


@dataclass(frozen=True)
class Line:
    """One labelled text. `spans` None: only `positive` is known."""

    text: str
    positive: bool
    spans: tuple[Span, ...] | None = None
    groups: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """What one guard said of one text. `score`: of its surest category, 0 to 1."""

    spans: list[Span] = field(default_factory=list)
    flagged: bool = False
    score: float = 0.0
    seconds: float = 0.0
    failed: bool = False


def read(path: Path) -> list[Line]:
    """Raises UnreadableTexts."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            found = [_line(text, f"{path}, line {number}") for number, text in enumerate(file, 1) if text.strip()]
    except OSError as error:
        raise UnreadableTexts(f"cannot read {path}: {error.strerror}: check the path") from None
    except UnicodeDecodeError:
        raise UnreadableTexts(f"{path} is not UTF-8 text: save it as UTF-8") from None
    if not found:
        raise UnreadableTexts(f'{path} holds no text: write lines such as {{"text": "...", "spans": [[0, 3, "phone"]]}}')
    return found


def _line(text: str, where: str) -> Line:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableTexts(f'{where}: not JSON: write {{"text": "...", "spans": [[0, 3, "phone"]]}}') from None
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise UnreadableTexts(f"{where}: `text` is missing")
    groups = {name: str(data[name]) for name in GROUPS if data.get(name)}
    if data.get("spans") is not None:
        spans = _spans(data["spans"], data["text"], where)
        return Line(data["text"], bool(spans), spans, groups)
    if isinstance(label := data.get("label"), str | bool | int):
        return Line(data["text"], str(label).strip().casefold() not in CLEAN, None, groups)
    raise UnreadableTexts(f'{where}: `spans` or `label` is missing: [[start, end, category], ...], or "attack" and "benign"')


def _spans(value: Any, text: str, where: str) -> tuple[Span, ...]:
    found = []
    for span in value if isinstance(value, list) else [value]:
        try:
            start, end, category = span
        except (TypeError, ValueError):
            raise UnreadableTexts(f"{where}: a span is [start, end, category], and one is {span!r}") from None
        if type(start) is not int or type(end) is not int or not isinstance(category, str):
            raise UnreadableTexts(f"{where}: a span is [start, end, category], and one is {span!r}")
        if not 0 <= start < end <= len(text):
            raise UnreadableTexts(f"{where}: the span {span!r} is not in the text, which has {len(text)} characters")
        found.append((start, end, scores.same(category)))
    return tuple(found)


async def run(guards: Sequence[Guard], lines: Sequence[Line], side: Side, told: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """The report on `guards`, which are of this `side` and whose judges are open. `told` is called after each text."""
    names = [guard.name for guard in guards]
    seen: dict[str, list[Seen]] = {name: [] for name in names}
    together: list[float] = []
    for line in lines:
        together.append(_at_once(guards, line.text))
        for guard in guards:
            seen[guard.name].append(await _ask(guard, line.text, side))
        told()
    report = {name: _report(lines, said) for name, said in seen.items()}
    everyone = [_merged([seen[name][at] for name in names], seconds) for at, seconds in enumerate(together)]
    return {
        "side": side,
        "unit": "span" if any(line.spans is not None for line in lines) else "text",
        "texts": len(lines),
        "positive": sum(line.positive for line in lines),
        "spans": sum(len(line.spans or ()) for line in lines),
        "all": _report(lines, everyone),
        "guards": report,
    }


def _at_once(guards: Sequence[Guard], text: str) -> float:
    """Seconds of all detectors over one view of the text."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        view = View(text)
        for guard in guards:
            if guard.detector is not None:
                try:
                    guard.detector.find(view)
                except Exception:  # the guard's own turn tells it
                    continue
        best = min(best, time.perf_counter() - began)
    return best


async def _ask(guard: Guard, text: str, side: Side) -> Seen:
    return _detect(guard, text) if guard.detector is not None else await _judge(guard, text, side)


def _detect(guard: Guard, text: str) -> Seen:
    assert guard.detector is not None
    seen = Seen(seconds=float("inf"))
    for _ in range(REPEATS):
        began = time.perf_counter()
        try:
            found = guard.detector.find(View(text))
        except Exception:
            return Seen(failed=True, seconds=time.perf_counter() - began)
        seen.seconds = min(seen.seconds, time.perf_counter() - began)
    seen.spans = [(finding.start, finding.end, scores.same(finding.category)) for finding in found]
    seen.flagged, seen.score = bool(found), max((finding.score for finding in found), default=0.0)
    return seen


async def _judge(guard: Guard, text: str, side: Side) -> Seen:
    verdicts: list[Verdict] = []
    trail = Trail(verdicts.append)
    place, role = PLACE[side]
    context = Context(side, "", "/v1/chat/completions", language.of(text), {"messages": [{"role": role, "content": text}]})
    began = time.perf_counter()
    try:
        if side == "input":
            await ask_judges([guard], [Piece(text, place, role)], context, trail)
        else:
            passage = TextPassage([guard], [], context, trail, lambda _: "", place, None)
            await passage.feed(text)
            await passage.finish()
    except (GuardFailed, Reask):
        pass  # the trail has it
    seconds = time.perf_counter() - began
    surest = max((score for verdict in verdicts for score in verdict.categories.values()), default=0.0)
    flagged = any(verdict.said not in ("pass", "error") for verdict in verdicts)
    return Seen([], flagged, max(surest, float(flagged and not surest)), seconds, any(v.said == "error" for v in verdicts))


def _merged(each: Sequence[Seen], detectors: float) -> Seen:
    """All guards as one; `detectors`: seconds of those that find spans, together."""
    judges = max((seen.seconds for seen in each if not seen.spans), default=0.0)
    return Seen(
        scores.in_order([seen.spans for seen in each]),
        any(seen.flagged for seen in each),
        max((seen.score for seen in each), default=0.0),
        max(detectors, judges),
        any(seen.failed for seen in each),
    )


def _report(lines: Sequence[Line], said: Sequence[Seen]) -> dict[str, Any]:
    both = list(zip(lines, said, strict=True))
    report: dict[str, Any] = {"texts": _texts(both), "latency": _latency(both), "errors": sum(seen.failed for seen in said)}
    if any(line.spans is not None for line in lines):
        report |= _of_spans(both)
    for name in GROUPS:
        groups: dict[str, list[tuple[Line, Seen]]] = defaultdict(list)
        for line, seen in both:
            if name in line.groups:
                groups[line.groups[name]].append((line, seen))
        if groups:
            report[f"by_{name}"] = {key: _group(some) for key, some in sorted(groups.items())}
    if held_out := _held_out(both):
        report["held_out"] = held_out
    return report


def _held_out(both: Sequence[tuple[Line, Seen]]) -> dict[str, float] | None:
    """Recall and false positives of the held-out texts at the threshold that the others want for 1% of false positives."""
    tune, judged = ([(s.score, x.positive) for x, s in both if x.groups.get("half") == half] for half in ("tune", "held-out"))
    if not any(0 < seen.score < 1 for _, seen in both) or (at := scores.recall_at(tune, FALSE_POSITIVES)) is None:
        return None
    positives, threshold = sum(positive for _, positive in judged), at[2]
    found = [positive for score, positive in judged if score >= threshold]
    if not 0 < positives < len(judged):
        return None
    return {
        "threshold": round(threshold, 4),
        "recall": round(sum(found) / positives, 4),
        "false_positive_rate": round((len(found) - sum(found)) / (len(judged) - positives), 5),
    }


def _group(some: Sequence[tuple[Line, Seen]]) -> dict[str, Any]:
    shown = {"lines": len(some), "texts": _texts(some)}
    return shown | _of_spans(some) if any(line.spans is not None for line, _ in some) else shown


def _texts(some: Sequence[tuple[Line, Seen]]) -> dict[str, Any]:
    """Texts as wholes: flagged or not. `clean`: the false positives."""
    score = Score()
    for line, seen in some:
        score.add(Score(line.positive and seen.flagged, not line.positive and seen.flagged, line.positive and not seen.flagged))
    clean = sum(not line.positive for line, _ in some)
    report: dict[str, Any] = score.as_dict() | {"clean": clean, "false_positive_rate": round(score.fp / clean, 5) if clean else None}
    if any(0 < seen.score < 1 for _, seen in some) and (at := scores.recall_at([(s.score, x.positive) for x, s in some], FALSE_POSITIVES)):
        report["at_1_percent"] = dict(zip(("recall", "false_positive_rate", "threshold"), (round(v, 4) for v in at), strict=True))
    return report


def _of_spans(some: Sequence[tuple[Line, Seen]]) -> dict[str, Any]:
    exact, overlap, taken, wanted = Score(), Score(), 0, 0
    categories: dict[str, Score] = defaultdict(Score)
    for line, seen in some:
        if line.spans is None:
            continue
        exact.add(scores.exact(seen.spans, line.spans))
        overlap.add(scores.overlapping(seen.spans, line.spans))
        found, all_of_it = scores.covered(seen.spans, line.spans)
        taken, wanted = taken + found, wanted + all_of_it
        for category in {span[2] for span in (*seen.spans, *line.spans)}:
            mine, labelled = ([span for span in spans if span[2] == category] for spans in (seen.spans, line.spans))
            categories[category].add(scores.exact(mine, labelled))
    return {
        "exact": exact.as_dict(),
        "overlap": overlap.as_dict(),
        "characters_covered": round(taken / wanted, 4) if wanted else None,
        "by_category": {name: score.as_dict() for name, score in sorted(categories.items())},
    }


def _latency(some: Sequence[tuple[Line, Seen]]) -> dict[str, float]:
    """Milliseconds a text, and a KiB of text (UTF-8)."""
    each = sorted(seen.seconds * 1000 for _, seen in some)
    kib = sum(len(line.text.encode("utf-8", "surrogatepass")) for line, _ in some) / 1024
    return {
        "p50_ms": round(each[len(each) // 2], 4),
        "p99_ms": round(each[min(len(each) * 99 // 100, len(each) - 1)], 4),
        "ms_per_kib": round(sum(each) / kib, 4) if kib else 0.0,
    }
