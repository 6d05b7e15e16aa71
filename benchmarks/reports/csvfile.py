"""A results document as CSV, for spreadsheets: one row a level, or one row a request."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.metrics import definitions
from benchmarks.reports import document as documents

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a text that begins so is run by spreadsheets; a server's own words may


def write(document: dict[str, Any], file: Path) -> None:
    """One row a level: its load, then the summary with names like ttft_ms.vllm.p99. Raises BenchError."""
    documents.write(file, _text(_level(entry) for entry in document["levels"]))


def write_requests(document: dict[str, Any], file: Path) -> None:
    """One row a request, with TTFT, TPOT and E2E under vLLM's definitions; arrival times stay in the JSON. Raises BenchError."""
    rows = (_request(entry, request) for entry in document["levels"] for request in entry.get("requests", []))
    documents.write(file, _text(rows))


def _level(entry: dict[str, Any]) -> dict[str, Any]:
    wanted = {f"load.{name}": value for name, value in entry["load"].items()}
    other = {name: entry.get(name) for name in ("repeat", "prompt_set", "started", "seconds", "partial")}
    summary = {**entry["summary"], "requests": dict(entry["summary"]["requests"])}
    errors = summary["requests"].pop("errors", {})
    return {
        **wanted,
        **other,
        **_flat(summary),
        "errors": json.dumps(errors) if errors else "",
        **_flat(entry.get("generator", {}), "generator."),
    }


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= _flat(part, f"{prefix}{name}.") if isinstance(part, dict) else {f"{prefix}{name}": part}
    return found


def _request(entry: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    record = documents.record(request)
    load = {f"load.{name}": entry["load"].get(name) for name in ("mode", "concurrency", "rate")}
    kept = {name: value for name, value in request.items() if name != "times_ms"}
    rules = {"ttft_ms": definitions.vllm_ttft, "tpot_ms": definitions.vllm_tpot, "e2e_ms": definitions.vllm_e2e}
    done = definitions.completed(record)
    figures = {name: round(found[0] * 1000, 3) if done and (found := rule(record)) else None for name, rule in rules.items()}
    return {**load, "repeat": entry["repeat"], **kept, "events": len(request["times_ms"]), **figures}


def _text(rows: Iterable[dict[str, Any]]) -> str:
    """The columns of all rows together: a level without a completed request has no latencies, and its cells stay empty."""
    kept = list(rows)
    names = dict.fromkeys(name for row in kept for name in row)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in kept)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
