"""What guards cost where they find nothing: python -m benchmarks.guards

Our gateway several times over one mock engine: without guards, which is the measure, and with lists of guards on both sides.
Prompts (1,000 characters) and answers are ordinary text in English and in Korean; the answers stream in tokens, at an engine's
pace where the first token is timed as a reader sees it (an English word that may yet become an e-mail address waits for the
next token; a Korean one does not), as fast as they can where throughput is. The gateways have one core, mock and client
another; in each round every subject is measured once, in alternating order, and differences are taken within a round.
Every stream is checked to have the text that the engine sent, to the character.

Of what guards add to the first token, the engine's pauses that the text waits through are told beside the whole: while the first
word may become an e-mail address no gateway could give it out, if a stream is to be what the whole answer would be.

What the guards find in the texts that come with the project, and their time on 1 KiB of clean text, is `sllm guard test`'s.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.gateway import DATA_DIR, NO_CACHE, OURS, PACKAGES, start, start_mock
from benchmarks.load import Check, Target, check_answer, load
from benchmarks.processes import TICKS, Server, fetch, machine_ticks, on_cores, own_cpu_seconds, said_plainly
from benchmarks.prose import text, tokens
from benchmarks.provenance import ROOT, provenance, result_file, shown
from benchmarks.scenarios import Subject, order
from benchmarks.stats import percentile, ratios, spread

OFF, RULES, PII, ALL = "no guards", "rules", "pii and secrets", "rules, pii and secrets"
_RULES = (
    "{name: words, kind: pattern, words: [project hanbit, 한빛 프로젝트], patterns: ['HB-[0-9]{4,6}']}, "
    "{name: size, kind: length, max_characters: 100000}"
)
_PII = "{name: personal-data, kind: pii}, {name: secrets, kind: secrets}"
LISTS = {OFF: "[]", RULES: f"[{_RULES}]", PII: f"[{_PII}]", ALL: f"[{_RULES}, {_PII}]"}
PROMPT = 1000  # characters
TOLD = {  # texts of the project -> the list that is measured on them, of configs/guards
    "pii": "korean-pii.yaml",
    "pii_unseen": "korean-pii.yaml",
    "injection": "injection.yaml",
    "injection_unseen": "injection.yaml",
}
SLOW_MS = 60.0  # between tokens, where it is told how many of them a text waits for
KIB = 1024  # bytes of UTF-8
MOST_MS = {"words": 0.1, "size": 0.1, "personal-data and secrets": 0.5}  # for 1 KiB
CONTENT = re.compile(rb'"content": ?"[^"]')  # the first bytes that a reader sees something of


@dataclass(frozen=True)
class Scenario:
    """A closed loop over prompts and answers in one language. `pace_ms`: the engine's pause between tokens; `events` 0: whole answers.

    `goal`: of every list of guards, over none. `added`: a difference, in ms; else a ratio.
    """

    name: str
    language: str
    metric: str
    added: bool
    goal: tuple[str, float] | None
    concurrency: int
    events: int
    pace_ms: float = 0.0


SCENARIOS = (
    *(Scenario(f"first token, {language}", language, "first_ms", True, ("<=", 1.0), 1, 24, 4.0) for language in ("en", "ko")),
    *(Scenario(f"last token, {language}", language, "p50_ms", True, None, 1, 24, 4.0) for language in ("en", "ko")),
    *(Scenario(f"streams of 66 tokens, {language}", language, "per_second", False, None, 16, 66) for language in ("en", "ko")),
    *(Scenario(f"whole answers, {language}", language, "per_second", False, None, 16, 0) for language in ("en", "ko")),
)


def request(target: Target, scenario: Scenario) -> bytes:
    """A chat request with a prompt of PROMPT characters."""
    shape: dict[str, Any] = {"model": "mock", "max_tokens": scenario.events or 16, "metadata": {"prose": scenario.language}}
    shape |= {"stream": True} if scenario.events else {}
    shape["messages"] = [{"role": "user", "content": text(scenario.language, PROMPT)}]
    body = json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {target.host}:{target.port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def check_prose(language: str, events: int) -> Check:
    """A check that a stream says what the engine said, however it is cut into events, then [DONE] and nothing more."""
    whole = "".join(tokens(language, events))

    def check(status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        data = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
        if not data or data[-1] != b"[DONE]":
            return "no [DONE] at the end"
        try:
            deltas = [choice["delta"].get("content") or "" for line in data[:-1] for choice in json.loads(line)["choices"]]
        except (ValueError, LookupError, TypeError):
            return "not a stream of chat chunks"
        return None if "".join(deltas) == whole else "another text"

    return check


async def measure(scenario: Scenario, subject: Subject, number: int, seconds: float, warm: float, mock: Server) -> dict[str, Any]:
    """One round. Raises RuntimeError for a wrong answer."""
    assert subject.server is not None
    fetch(mock.port, f"/control?pace_ms={scenario.pace_ms}")
    sent = request(subject.target, scenario)
    check = check_prose(scenario.language, scenario.events) if scenario.events else check_answer
    begins = CONTENT if scenario.events else None
    await load(subject.target, sent, check, concurrency=scenario.concurrency, seconds=warm, begins=begins)
    gc.collect()
    gc.disable()
    ticks, cpu, own, began = sum(machine_ticks()), subject.server.cpu_seconds(), mock.cpu_seconds() + own_cpu_seconds(), time.monotonic()
    result = await load(subject.target, sent, check, concurrency=scenario.concurrency, seconds=seconds, begins=begins)
    wall = time.monotonic() - began
    used = subject.server.cpu_seconds() - cpu
    others = (sum(machine_ticks()) - ticks) / TICKS - used - (mock.cpu_seconds() + own_cpu_seconds() - own)
    gc.enable()
    if result.errors or not result.requests:
        raise RuntimeError(f"{subject.name}, {scenario.name}: {result.requests} right answers; {dict(result.errors)}")
    return {
        "scenario": scenario.name,
        "subject": subject.name,
        "round": number,
        "requests": result.requests,
        "per_second": round(result.requests / result.seconds, 1),
        "first_ms": round(percentile(result.first_bytes, 50) / 1e6, 4),
        "first_p99_ms": round(percentile(result.first_bytes, 99) / 1e6, 4),
        "p50_ms": round(percentile(result.latencies, 50) / 1e6, 4),
        "cpu_us": round(used / result.requests * 1e6, 1),
        "elsewhere": round(max(0.0, others / wall), 3),
    }


async def tokens_waited_for(scenario: Scenario, subjects: Sequence[Subject], mock_port: int) -> dict[str, int]:
    """list of guards -> how many more tokens the engine has made before a reader sees something: told by an engine that is very slow."""
    fetch(mock_port, f"/control?pace_ms={SLOW_MS}")
    slow = replace(scenario, events=4)
    first: dict[str, float] = {}
    for subject in subjects:
        check = check_prose(slow.language, slow.events)
        result = await load(subject.target, request(subject.target, slow), check, concurrency=1, limit=3, begins=CONTENT)
        if result.errors:
            raise RuntimeError(f"{subject.name}, {scenario.name}: {dict(result.errors)}")
        first[subject.name] = min(result.first_bytes) / 1e6
    return {name: round((ms - first[OFF]) / SLOW_MS) for name, ms in first.items() if name != OFF}


def told(texts: str, config: str, cores: set[int]) -> dict[str, Any]:
    """What `sllm guard test` says. Raises RuntimeError."""
    command = [sys.executable, "-m", "sllm", "guard", "test", texts, "--config", config, "--json"]
    with on_cores(cores):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        report = {"error": {"message": done.stderr[-500:]}}
    if done.returncode != 0 or "error" in report:
        raise RuntimeError(f"sllm guard test {texts}: {report.get('error', {}).get('message', done.stderr[-500:])}")
    return report


def one_kib(folder: Path, cores: set[int]) -> dict[str, dict[str, float]]:
    """language -> guard -> milliseconds for 1 KiB of clean text, the median of many texts."""
    (folder / "all.yaml").write_text(f"guards: {LISTS[ALL]}\n", encoding="utf-8")
    (folder / "pii.yaml").write_text(f"guards: {LISTS[PII]}\n", encoding="utf-8")
    found: dict[str, dict[str, float]] = {}
    for language in ("en", "ko"):
        whole = text(language, 4000)
        texts = [whole[start:].encode()[:KIB].decode(errors="ignore") for start in range(0, 200, 2)]
        file = folder / f"{language}.jsonl"
        file.write_text("\n".join(json.dumps({"text": each, "label": "clean"}) for each in texts), encoding="utf-8")
        each = told(str(file), str(folder / "all.yaml"), cores)["guards"]
        together = told(str(file), str(folder / "pii.yaml"), cores)["all"]
        found[language] = {name: figures["latency"]["p50_ms"] for name, figures in each.items()}
        found[language]["personal-data and secrets"] = together["latency"]["p50_ms"]
    return found


def summary(rounds: list[dict[str, Any]], waited: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """One row a scenario and list of guards: what the guards add, or the ratio, over none; median, low and high of the rounds.

    `waited`: (scenario, list of guards) -> milliseconds of what is added in which the text waits for the engine's next token.
    """
    rows: list[dict[str, Any]] = []
    for scenario in SCENARIOS:
        by_subject = {
            name: sorted((r for r in rounds if r["scenario"] == scenario.name and r["subject"] == name), key=lambda r: int(r["round"]))
            for name in LISTS
        }
        base = [float(r[scenario.metric]) for r in by_subject[OFF]]
        for name, some in by_subject.items():
            each = [float(r[scenario.metric]) for r in some]
            if name == OFF or not each or len(each) != len(base):
                continue
            figure = spread([a - b for a, b in zip(each, base, strict=True)] if scenario.added else ratios(each, base))
            row: dict[str, Any] = {
                "scenario": scenario.name,
                "guards": name,
                "metric": f"added {scenario.metric}" if scenario.added else "ratio",
                "median": round(figure.median, 4),
                "low": round(figure.low, 4),
                "high": round(figure.high, 4),
                "medians": {OFF: round(spread(base).median, 4), name: round(spread(each).median, 4)},
                "cpu_us": {OFF: spread([r["cpu_us"] for r in by_subject[OFF]]).median, name: spread([r["cpu_us"] for r in some]).median},
                "elsewhere": round(spread([r["elsewhere"] for r in some]).median, 2),
            }
            if (scenario.name, name) in waited:
                row["waited_ms"] = waited[scenario.name, name]
            if scenario.goal:
                row |= {"goal": f"{scenario.goal[0]} {scenario.goal[1]:g}", "met": figure.median <= scenario.goal[1]}
            rows.append(row)
    return rows


def show(report: dict[str, Any], console: Console) -> None:
    table = Table("scenario", "guards", "over none", "of it waiting", "low to high", "goal", "met", "without", "with", "CPU µs", "noise")
    for row in report["summary"]:
        unit = " ms" if row["metric"].startswith("added") else ""
        without, with_guards = row["medians"].values()
        met = {True: "[green]yes[/]", False: "[red]no[/]"}.get(row.get("met"), "")
        table.add_row(
            row["scenario"],
            row["guards"],
            f"{row['median']:+.3f}{unit}" if unit else f"{row['median']:.3f}",
            f"{row['waited_ms']:.0f} ms" if "waited_ms" in row else "",
            f"{row['low']:.3f} to {row['high']:.3f}",
            row.get("goal", ""),
            met,
            f"{without:,.3f}" if unit else f"{without:,.0f}/s",
            f"{with_guards:,.3f}" if unit else f"{with_guards:,.0f}/s",
            " / ".join(f"{value:.0f}" for value in row["cpu_us"].values()),
            f"{row['elsewhere']:.2f}",
        )
    console.print(table)
    for language, guards in report["one_kib_ms"].items():
        shown_ms = ", ".join(
            f"{name} {ms:.3f} ms" + (" [red](goal missed)[/]" if ms > MOST_MS.get(name, ms) else "") for name, ms in guards.items()
        )
        console.print(f"1 KiB of clean text, {language}: {shown_ms}")
    for name, found in report["told"].items():
        figures = found["all"]
        rates = figures["exact"] if "exact" in figures else figures["texts"]
        false = figures["texts"]["false_positive_rate"]
        at = figures["texts"].get("at_1_percent", {}).get("recall")
        console.print(
            f"{name}: precision {rates['precision']:.4f}, recall {rates['recall']:.4f}, F1 {rates['f1']:.4f}, "
            f"false positives {false:.2%}" + (f", recall at 1% false positives {at:.1%}" if at is not None else "")
        )


def main(
    gateway: Annotated[str, typer.Option(help="Command of our gateway.")] = OURS,
    only: Annotated[list[str] | None, typer.Option(help="Only scenarios whose name holds this.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each scenario.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.05, help="Seconds of each measurement.")] = 2.0,
    warm: Annotated[float, typer.Option(min=0.05, help="Seconds of warm-up before each.")] = 0.5,
    gateway_core: Annotated[int, typer.Option(help="Core of the gateways.")] = 0,
    client_core: Annotated[int, typer.Option(help="Core of the mock engine and the load client.")] = 1,
    log: Annotated[str | None, typer.Option(help="File for what the gateways print; else /dev/null.")] = None,
    texts: Annotated[bool, typer.Option(help="Also test the guards on labelled texts, and on 1 KiB of clean text.")] = True,
    out: Annotated[Path | None, typer.Option(help="JSON file of the report; by default a dated one in benchmarks/results/guards.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure what guards add to the first token, to the last, and take from the throughput, on clean text."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 170)
    scenarios = [s for s in SCENARIOS if not only or any(part in s.name for part in only)]
    if not scenarios:
        raise typer.BadParameter(f"--only takes a part of {', '.join(s.name for s in SCENARIOS)}")
    where = provenance((*PACKAGES, "google-re2"))
    with said_plainly(console), contextlib.ExitStack() as stack:
        mock = start_mock(client_core)
        stack.callback(mock.stop)
        subjects: list[Subject] = []
        for name, guards in LISTS.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            environ = {**NO_CACHE, "SLLM_GUARDS": guards, DATA_DIR: folder}
            subjects.append(start(name, gateway, mock, gateway_core, environ, log))
            stack.callback(subjects[-1].stop)
        with on_cores({client_core}):
            found = uvloop.run(_all(scenarios, subjects, rounds, seconds, warm, mock))
            waited = uvloop.run(_waited(scenarios, subjects, mock))
        report: dict[str, Any] = {
            "benchmark": "guards",
            "provenance": where,
            "command": shown(shlex.join([sys.executable, "-m", "benchmarks.guards", *sys.argv[1:]])),
            "setup": {
                "cores": {"gateway": gateway_core, "mock and client": client_core},
                "seconds": seconds,
                "warm_up_seconds": warm,
                "prompt_characters": PROMPT,
                "subjects": {subject.name: subject.setup for subject in subjects},
            },
            "summary": summary(found, waited),
            "one_kib_ms": one_kib(Path(stack.enter_context(tempfile.TemporaryDirectory())), {gateway_core}) if texts else {},
            "told": {name: told(name, f"configs/guards/{config}", {gateway_core}) for name, config in TOLD.items()} if texts else {},
            "memory": {subject.name: subject.memory() for subject in subjects},
            "rounds": found,
        }
    out = out or result_file("guards")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report)) if as_json else show(report, console)
    if not all(row.get("met", True) for row in report["summary"]):
        raise typer.Exit(1)


async def _all(
    scenarios: list[Scenario], subjects: list[Subject], rounds: int, seconds: float, warm: float, mock: Server
) -> list[dict[str, Any]]:
    return [
        await measure(scenario, subject, number, seconds, warm, mock)
        for scenario in scenarios
        for number in range(rounds)
        for subject in order(subjects, number)
    ]


async def _waited(scenarios: list[Scenario], subjects: list[Subject], mock: Server) -> dict[tuple[str, str], float]:
    """(scenario, list of guards) -> milliseconds that the first token waits for others, where the first token is measured."""
    return {
        (scenario.name, name): waited * scenario.pace_ms
        for scenario in scenarios
        if scenario.metric == "first_ms"
        for name, waited in (await tokens_waited_for(scenario, subjects, mock.port)).items()
    }


if __name__ == "__main__":
    typer.run(main)
