"""report.html: one file that shows a results document, without a network and without a script."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BenchError
from benchmarks.metrics.definitions import DEFINITIONS
from benchmarks.reports import columns, pictures
from benchmarks.reports.columns import Column
from benchmarks.reports.findings import findings, worst
from benchmarks.reports.levels import NOTHING, Curve, Document, Row, curves, is_knee, number, repeats
from benchmarks.reports.plots import goodput, style

if TYPE_CHECKING:
    import jinja2

KINDS = {
    "serve": "Serving benchmark", "throughput": "Offline throughput", "latency": "Latency of one batch", "batching": "Ways of batching",
    "speculation": "Speculative decoding", "sweep": "Sweep", "suite": "Suite", "gateway": "Gateway beside the engine",
}  # fmt: skip
METRICS = {
    "ttft_ms": "TTFT, time to first token", "tpot_ms": "TPOT, time per output token", "itl_ms": "ITL, inter-token latency",
    "e2e_ms": "E2E, the whole answer",
}  # fmt: skip
TOOLS = {"vllm": "vLLM", "guidellm": "GuideLLM", "aiperf": "AIPerf"}
FIGURES = ("n", "mean", "std", "min", "p50", "p90", "p95", "p99", "max")
COLOURS = {style.INK: "--ink", style.SOFT: "--soft", style.LINE: "--line"}


def write(document: Document, file: Path) -> None:
    """Write the page beside the document's other files. Raises BenchError where it cannot be written."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        aside.write_text(render(document, with_files=(file.parent / "result.json").exists()), encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise BenchError(f"{file} cannot be written ({error.strerror}): name another folder with --out") from error


def render(document: Document, drawn: Sequence[tuple[str, str, str]] | None = None, with_files: bool = False) -> str:
    """The page as text. `drawn`: other pictures than pictures.svgs(document); `with_files`: result.json and the CSV files lie beside
    it, so it links to them."""
    drawn = pictures.svgs(document) if drawn is None else drawn
    about = document.get("provenance") or {}
    server = about.get("server") or {}
    kind = str(document.get("kind") or "")
    found = curves(document)
    return _template().render(
        title=f"{KINDS.get(kind, kind)}{': ' + str(server['model']) if server.get('model') else ''}",
        status=document.get("status"),
        facts=_facts(document),
        findings=findings(document),
        knee=(document.get("knee") or {}).get("why"),
        runs=repeats(document),
        levels=[_table(document, curve) for curve in found],
        pictures=[(title, caption, _themed(svg)) for title, caption, svg in drawn],
        left_out=pictures.left_out(document),
        missing=None if pictures.available() else pictures.MISSING,
        metrics=[_metric(key, found) for key in METRICS if any(row.spread(key, tool, "n") for tool in TOOLS for row in _rows(found))],
        tokens=_tokens(document),
        generator=_generator(found),
        busiest=worst(document, "cpu"),
        failures=list(_failures(found)),
        tables=columns.own_tables(document),
        steps=_steps(document),
        about=_about(document),
        with_files=with_files,
        has_levels=bool(document.get("levels")),
        number=number,
    )


def _facts(document: Document) -> str:
    """One line below the title: engine, hardware, date."""
    about = document.get("provenance") or {}
    gpus = [str(gpu.get("name")) for gpu in about.get("gpus") or []]
    machine = ", ".join(f"{n} x {name}" if (n := gpus.count(name)) > 1 else name for name in dict.fromkeys(gpus)) or about.get("cpu")
    cores = f"{about['cores']} cores" if about.get("cores") and not gpus else None
    date = f"{str(about['date']).replace('T', ' ')[:16]} UTC" if about.get("date") else None
    words = [(about.get("server") or {}).get("engine"), machine, cores, date]
    return " · ".join(str(word) for word in words if word)


def _rows(found: list[Curve]) -> list[Row]:
    return [row for curve in found for row in curve.rows]


def _table(document: Document, curve: Curve) -> dict[str, Any]:
    """The table by level: heads in two rows, and (text, band) of each cell."""
    chosen = [*columns.RATES, columns.OPEN if curve.mode == "open" else columns.ALL_TOKENS]
    for metric in ("ttft", "tpot", "itl", "e2e"):
        chosen += columns.latency(metric, *(("p99",) if metric == "itl" else ("p50", "p99")))
    if any(row.spread(*columns.GOODPUT.path) for row in curve.rows):
        chosen += [columns.GOODPUT]
    rows = [
        {
            "name": row.name,
            "knee": is_knee(document, row),
            "completed": row.count("requests", "completed"),
            "failed": row.failed,
            "partial": bool(row.partial),
            "cells": [(column.cell(row), column.band(row) if len(row.levels) > 1 else "") for column in chosen],
            "runs": len(row.levels),
        }
        for row in curve.rows
    ]
    return {"name": curve.name, "heads": _heads(chosen), "parts": [column.part for column in chosen if column.part], "rows": rows}


def _heads(chosen: list[Column]) -> list[tuple[str, int]]:
    """(head, number of columns below it; 0: it stands alone)."""
    names = list(dict.fromkeys(column.head for column in chosen))
    return [(name, sum(column.head == name and bool(column.part) for column in chosen)) for name in names]


def _metric(key: str, found: list[Curve]) -> dict[str, Any]:
    """One latency metric under each tool's definition, level by level."""
    known = {TOOLS[tool]: rule for tool, rule in DEFINITIONS[key].items()}
    rows = [
        (
            row.full,
            [(TOOLS[tool], [number(row.median(key, tool, figure)) for figure in FIGURES]) for tool in TOOLS if DEFINITIONS[key][tool]],
        )
        for row in _rows(found)
    ]
    return {"title": METRICS[key], "rules": known, "rows": rows, "figures": FIGURES}


def _tokens(document: Document) -> dict[str, Any] | None:
    counted = (document.get("checks") or {}).get("token_count")
    return (
        {key: counted.get(key) for key in ("tokenizer", "checked", "equal", "largest_difference", "mean_difference")} if counted else None
    )


def _generator(found: list[Curve]) -> list[tuple[str, list[str]]]:
    """The generator's own delay by level: the worst run of each."""
    rows = []
    for row in _rows(found):
        own = [level.get("generator") or {} for level in row.levels]
        cells = [
            number(max((one[part][figure] for one in own if one.get(part)), default=None))
            for part in ("loop_ms", "send_ms")
            for figure in ("p50", "p99", "max")
        ]
        busy = max((one["cpu"] for one in own if one.get("cpu") is not None), default=None)
        if any(own):
            rows.append((row.full, [*cells, NOTHING if busy is None else f"{busy:.0%}"]))
    return rows


def _failures(found: list[Curve]) -> Iterator[tuple[str, str, int, str]]:
    """(load, class, how many, the server's words in one of them)."""
    for row in _rows(found):
        for name, times in row.errors.items():
            said = (r.get("detail") for level in row.levels for r in level.get("requests") or [] if r.get("error") == name)
            yield row.full, name, times, next((words for words in said if words), "")


def _steps(document: Document) -> dict[str, Any] | None:
    """The steps of a suite, whatever each says of itself in one value."""
    steps = [step for step in document.get("steps") or [] if isinstance(step, Mapping)]
    keys = dict.fromkeys(key for step in steps for key, value in step.items() if not isinstance(value, dict | list))
    shown = {"columns": [{"key": key, "title": key.replace("_", " ")} for key in keys], "rows": steps, "title": "Steps"}
    return columns.own_tables({"tables": [shown]})[0] if steps else None


def _about(document: Document) -> list[tuple[str, list[str], bool]]:
    """(term, values, whether they are code) of how it was measured."""
    about, settings = document.get("provenance") or {}, document.get("settings") or {}
    server = about.get("server") or {}
    gpus = [
        f"{g.get('name')}, {number((g.get('memory_bytes') or 0) / 2**30)} GiB, driver {g.get('driver')}" for g in about.get("gpus") or []
    ]
    system = {"cores": "{} cores", "kernel": "kernel {}", "load_average": "load {} at the start"}
    machine = [about.get("cpu"), *(words.format(about[key]) for key, words in system.items() if about.get(key) is not None)]
    versions = dict(about.get("versions") or {}) | ({"Python": about["python"]} if about.get("python") else {})
    every: list[tuple[str, list[Any], bool]] = [
        ("Command", [about.get("command")], True),
        ("Seed", [about.get("seed")], True),
        ("Settings", _pairs(settings), True),
        ("Server", [server.get("url"), server.get("engine")], False),
        ("Server flags", _pairs(server.get("flags") or {}), True),
        ("Longest context", [f"{server['max_model_len']:,} tokens" if server.get("max_model_len") else None], False),
        ("GPU", gpus, False),
        ("Machine", machine, False),
        ("Versions", [f"{name} {version}" for name, version in versions.items()], True),
        ("Revision", [about.get("revision")], True),
        ("Started", [about.get("date")], False),
        ("Finished", [about.get("finished")], False),
    ]
    return [(term, [str(v) for v in values if v is not None], code) for term, values, code in every if any(v is not None for v in values)]


def _pairs(values: Mapping[str, Any]) -> list[str]:
    """ "name: value" of each setting that has one, as it would be typed."""
    found = []
    for key, value in values.items():
        if value not in (None, "", [], {}):
            words = goodput.in_words(value) if key == "slo" else json.dumps(value, ensure_ascii=False).strip('"')
            found.append(f"{key}: {words}")
    return found


def _themed(svg: str) -> str:
    """The picture in the page's colours, so that it follows the reader's light or dark mode; its size is the page's."""
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", svg, count=1)
    for colour, name in COLOURS.items():
        svg = svg.replace(colour, f"var({name})")
    return svg


@cache
def _template() -> jinja2.Template:
    import jinja2

    folder = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")
