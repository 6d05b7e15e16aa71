"""`sllm bench serve`: levels of load against servers that run, one after the other, in interleaved rounds.

A round runs every level once, on every server in turn (the order turns around each round), so that a slow spell of the machine
hits all of them. After each level the document is written, so what is done is never lost.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen import client
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.loadgen.target import Target, parse
from benchmarks.metrics.knee import knee
from benchmarks.metrics.lateness import generator_ok
from benchmarks.metrics.slo import SLO
from benchmarks.prompts import check
from benchmarks.prompts.requests import PromptOptions, build
from benchmarks.prompts.tokenizer import Tokenizer, find
from benchmarks.reports import document
from benchmarks.reports.terminal import Live
from benchmarks.runs.loads import named, wanted
from benchmarks.runs.server import ServerInfo, describe, wait_ready
from benchmarks.runs.session import interruptible

CHECKED = 32  # answers of a level whose tokens are counted again
WARM_UP = 32  # requests before the first level, at most


@dataclass(frozen=True)
class ServeOptions:
    urls: tuple[str, ...]
    loads: tuple[Load, ...]
    prompts: PromptOptions
    model: str | None = None
    tokenizer: Path | None = None
    slo: SLO | None = None
    warm_up: int | None = None  # None: as many as are open at a time, at most WARM_UP
    repeat: int = 1
    seed: int = 0
    timeout: float = 600.0
    ready_timeout: float = 600.0
    api_key_env: str | None = None
    cache: bool = False  # whether the gateway may answer from its cache
    check_tokens: bool = True
    command: str = "sllm bench serve"


@dataclass
class Subject:
    """One server with its document."""

    target: Target
    info: ServerInfo
    tokenizer: Tokenizer
    prompts: PromptOptions
    document: dict[str, Any]
    file: Path
    counted: list[dict[str, Any]]


def run(options: ServeOptions, files: Sequence[Path]) -> list[dict[str, Any]]:
    """One document for each URL, kept in `files` as it grows. Raises BenchError before the first level; afterwards what stops the
    run is the documents' `note`, and their status stays "partial"."""
    return client.run(_run(options, files))


async def _run(options: ServeOptions, files: Sequence[Path]) -> list[dict[str, Any]]:
    with Live() as live:
        subjects = [await _subject(options, url, file, live.say) for url, file in zip(options.urls, files, strict=True)]
        note = await interruptible(lambda stop: _measured(options, subjects, live, stop))
    for subject in subjects:
        _finish(subject, options, note)
    return [subject.document for subject in subjects]


async def _measured(options: ServeOptions, subjects: list[Subject], live: Live, stop: asyncio.Event) -> str | None:
    """All rounds. Returns why they ended early. Raises BenchError while there is nothing to keep."""
    try:
        return await _rounds(options, subjects, live, stop)
    except BenchError as error:  # a server that is gone between two levels cannot count prompts any more
        if not any(subject.document["levels"] for subject in subjects):
            raise
        return error.message


async def _subject(options: ServeOptions, url: str, file: Path, say: Callable[[str], None]) -> Subject:
    headers = () if options.cache else (("cache-control", "no-cache, no-store"),)
    target = replace(parse(url), api_key=_key(options.api_key_env), headers=headers)
    await wait_ready(target, url, options.ready_timeout, say)
    info = await describe(target, url, options.model)
    tokenizer = await find(target, info.model, options.tokenizer)
    prompts = replace(options.prompts, max_model_len=options.prompts.max_model_len or info.max_model_len)
    if (info.engine or "").startswith("vllm"):  # prompts of an earlier run with this seed may still be in its prefix cache
        prompts = replace(prompts, cache_salt=secrets.token_hex(8))
    prompts.check()
    made = document.new("serve", _settings(options, prompts), options.command, seed=options.seed, server=info.as_dict())
    return Subject(target, info, tokenizer, prompts, made, file, [])


def _key(name: str | None) -> str | None:
    if name is None:
        return os.environ.get("OPENAI_API_KEY") or None
    if not os.environ.get(name):
        raise BenchUsageError(f"--api-key-env {name}: that variable is not set; export {name}=... and run the command again")
    return os.environ[name]


def _settings(options: ServeOptions, prompts: PromptOptions) -> dict[str, Any]:
    asked = {key: value for key, value in asdict(prompts).items() if key != "cache_salt"}  # another one each time
    return asked | {
        "slo": asdict(options.slo) if options.slo else None,
        "warmup": options.warm_up,
        "timeout": options.timeout,
        "repeat": options.repeat,
        "cache": options.cache,
    }


async def _rounds(options: ServeOptions, subjects: list[Subject], live: Live, stop: asyncio.Event) -> str | None:
    """Run all levels. Returns why it ended early, None when it did not."""
    for subject in subjects:
        if note := await _warm_up(options, subject, live, stop):
            return note
    for repeat in range(options.repeat):
        for place, load in enumerate(options.loads):
            for subject in subjects if repeat % 2 == 0 else reversed(subjects):
                name = named(load) + (f", round {repeat + 1} of {options.repeat}" if options.repeat > 1 else "")
                if len(subjects) > 1:
                    name += f", {subject.info.url}"
                requests = await _prompts(subject, wanted(load), options.seed + 1000 * repeat + place, live)
                live.level(name, load)
                level = await _level(options, subject, requests, load, live, stop, seed=options.seed + repeat)
                entry = document.level_entry(level, repeat, options.slo)
                subject.document["levels"].append(entry)
                document.save(subject.document, subject.file)
                if stop.is_set():
                    return f"interrupted at {name}"
                if level.partial:
                    return f"{name}: {level.partial}"
                if options.check_tokens:
                    await _count(subject, level)
    return None


async def _level(
    options: ServeOptions, subject: Subject, requests: list[Request], load: Load, live: Live, stop: asyncio.Event, *, seed: int
) -> Level:
    return await run_level(subject.target, requests, load, seed=seed, timeout=options.timeout, on_progress=live.progress, stop=stop)


async def _prompts(subject: Subject, count: int, seed: int, live: Live) -> list[Request]:
    """What was left out, or is not as it was wanted, is told once and kept."""
    notes: list[str] = []
    made = await build(subject.prompts, subject.tokenizer, subject.info.model, count, seed, notes)
    known: list[str] = subject.document["settings"].setdefault("prompt_notes", [])
    for note in notes:
        if note not in known:
            known.append(note)
            live.say(note)
    return made


async def _warm_up(options: ServeOptions, subject: Subject, live: Live, stop: asyncio.Event) -> str | None:
    """A few requests that no figure is made of; a server that answers none of them is told now. Raises BenchError."""
    open_at_once = max((load.concurrency or 1) if load.mode == "closed" else 8 for load in options.loads)
    count = min(open_at_once, WARM_UP) if options.warm_up is None else options.warm_up
    load = Load("closed", concurrency=min(open_at_once, max(count, 1)), requests=max(count, 1))  # one, always: does it answer at all?
    requests = await _prompts(subject, max(count, 1), options.seed + 999_983, live)
    live.level("warm-up", load)
    level = await _level(options, subject, requests, load, live, stop, seed=options.seed)
    if stop.is_set():
        return "interrupted during the warm-up"
    failed = [record for record in level.records if record.error]
    if failed and len(failed) == len(level.records):
        first = failed[0]
        raise BenchError(
            f"{subject.info.url} answered none of the {len(failed)} requests of the warm-up: {first.error}"
            + (f": {first.detail}" if first.detail else "")
            + ". Try one by hand with `sllm chat --url URL`, and look at the server's log"
        )
    return None


async def _count(subject: Subject, level: Level) -> None:
    """Count the tokens of some answers again; a server that is gone meanwhile does not lose the figures."""
    with suppress(BenchError):
        subject.counted.append(await check.count_tokens(level, subject.tokenizer, CHECKED))


def _finish(subject: Subject, options: ServeOptions, note: str | None) -> None:
    made = subject.document
    made["checks"] = {"token_count": check.together(subject.counted), "generator_ok": generator_ok(made["levels"])}
    made["knee"] = knee(made["levels"])
    document.finish(made, note)
    document.save(made, subject.file)
