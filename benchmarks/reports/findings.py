"""What a reader must know before believing the figures: parts that are missing, failures, a generator that was the limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.reports.levels import Document, Row, curves, number, plural

BUSY = 0.8  # of a core: with that the generator is held up by itself, with less by what else runs
TOLERATED = 0.1  # share of answers whose tokens may be counted otherwise: an answer's text may be cut within a letter


def findings(document: Document) -> list[str]:
    """Sentences, the gravest first; empty when nothing stands against the figures."""
    rows = [row for curve in curves(document) for row in curve.rows]
    return [*_partial(document, rows), *_failures(rows), *_generator(document), *_tokens(document, rows)]


def _partial(document: Document, rows: list[Row]) -> Iterator[str]:
    if document.get("status") != "complete":
        yield f"These results are partial: {_sentence(document.get('note') or 'the run did not reach its end')}"
    for row in rows:
        for why in dict.fromkeys(row.partial):
            if why != document.get("note"):
                yield f"{row.full}: not run to its end: {_sentence(why)}"


def _failures(rows: list[Row]) -> Iterator[str]:
    failed, sent = sum(row.failed for row in rows), sum(row.count("requests", "sent") for row in rows)
    if failed:
        errors: dict[str, int] = {}
        for row in rows:
            for name, times in row.errors.items():
                errors[name] = errors.get(name, 0) + times
        named = ", ".join(f"{name}: {times:,}" for name, times in sorted(errors.items(), key=lambda item: -item[1]))
        yield f"{failed:,} of {plural(sent, 'request')} failed ({named}). Latencies and rates are of completed requests only."
    none = [row.full for row in rows if row.count("requests", "sent") and not row.count("requests", "completed")]
    if none:
        yield f"No request was completed at {', '.join(none)}: there are no latencies."


def _generator(document: Document) -> Iterator[str]:
    checks = document.get("checks") or {}
    if checks.get("generator_ok") is False:
        late, busy = worst(document, "loop_ms", "p99"), worst(document, "cpu")
        why = [f"its event loop ran up to {number(late)} ms late (p99)"] if late is not None else []
        why += [f"it used {busy:.0%} of a core"] if busy is not None else []
        facts = f" ({', '.join(why)})" if why else ""
        if busy is None:
            yield "The load generator was not fast enough at some loads: the server may be faster than these figures say."
        elif busy >= BUSY:
            yield f"The load generator was the limit, not the server{facts}: the server may be faster than these figures say."
        else:
            yield f"The load generator was late on a busy machine{facts}: these latencies hold its own delay. Give it a core of its own."


def _tokens(document: Document, rows: list[Row]) -> Iterator[str]:
    counted = (document.get("checks") or {}).get("token_count") or {}
    checked, equal = counted.get("checked"), counted.get("equal")
    if checked and equal is not None and equal < (1 - TOLERATED) * checked and counted.get("agrees") is not True:
        most = number(counted.get("largest_difference"))
        differ = f"{plural(checked - equal, 'answer')} of {checked:,}"
        yield f"Token counts of {differ} differ between the server and the tokenizer, by {most} at most."
    events = sum(row.count("output_tokens_from", "events") for row in rows)
    if events:
        yield f"The server sent no usage for {plural(events, 'request')}: their output tokens are counted as one an event."


def worst(document: Document, *path: str) -> float | None:
    """The highest of one of the generator's own figures over all levels."""
    found = []
    for level in document.get("levels") or []:
        value: Any = level.get("generator")
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found.append(float(value))
    return max(found, default=None)


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
