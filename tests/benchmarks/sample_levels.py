"""Levels of a simulated server, for tests of what is made of them: seeded, so the same call gives the same figures.

The server has `slots` places and a first-come queue. A request waits for a place, is read for `prefill` seconds (exponential
around it), then gets a token about every `token` seconds, slower the more places are taken. Its capacity is known:
slots / (prefill + token * (1 + crowding) * (output - 1)) requests a second when all places are taken.
"""

from __future__ import annotations

import heapq
import random
from pathlib import Path
from typing import Any

from benchmarks.loadgen.records import Delay, Level, Load, Record
from benchmarks.metrics.slo import SLO
from benchmarks.reports import document

DELAY = Delay(loop_p50=0.05, loop_p99=0.4, loop_max=1.1, send_p50=0.06, send_p99=0.5, send_max=1.4, cpu=0.21)


def closed(concurrency: int, requests: int = 64) -> Load:
    return Load("closed", concurrency=concurrency, requests=requests)


def arrivals(rate: float, requests: int = 64) -> Load:
    return Load("open", rate=rate, requests=requests)


def level(
    load: Load,
    *,
    seed: int = 0,
    slots: int = 8,
    prefill: float = 0.040,
    token: float = 0.010,
    crowding: float = 0.5,
    input_tokens: int = 128,
    output_tokens: int = 32,
    failed: float = 0.0,
    usage: bool = True,
    slowdown: float = 1.0,
    partial: str | None = None,
) -> Level:
    """One level. `failed`: share of requests that end as "status 503"; `slowdown` makes every time of the server longer."""
    rng = random.Random(f"{seed} {load}")
    records: list[Record] = []
    places = [0.0] * slots  # when each place is free
    ready = [0.0] * (load.concurrency or 1)  # closed loop: when each client sends next
    clock = 0.0
    for index in range(load.requests or 64):
        if load.mode == "closed":
            sent = heapq.heappop(ready)
        else:
            clock += rng.expovariate(load.rate or 1.0) if index else 0.0
            sent = clock
        record = Record(index, input_tokens=input_tokens, output_limit=output_tokens, scheduled=sent, sent=sent + 2e-5)
        records.append(record)
        if rng.random() < failed:
            record.status, record.error, record.detail, record.end = 503, "status 503", "the queue is full", sent + 0.002
        else:
            begin = max(record.sent, heapq.heappop(places))
            busy = sum(free > begin for free in places) / max(slots - 1, 1)
            _answer(record, rng, begin, slowdown * prefill, slowdown * token * (1 + crowding * busy), usage)
            heapq.heappush(places, record.end or begin)
        heapq.heappush(ready, record.end or sent)
    seconds = max(record.end or 0.0 for record in records) - records[0].sent
    return Level(load, records, seconds, "2026-11-21T12:00:00+00:00", DELAY, partial)


def _answer(record: Record, rng: random.Random, begin: float, prefill: float, token: float, usage: bool) -> None:
    """A chat stream: the role event with the first token right behind it, a token an event, usage, [DONE]."""
    first = begin + prefill * (0.8 + 0.2 * rng.expovariate(1.0))
    record.times = [first, first + 5e-5]
    for _ in range(record.output_limit - 1):
        record.times.append(record.times[-1] + token * rng.uniform(0.8, 1.2))
    record.status, record.finish_reason = 200, "length"
    record.first, record.first_content, record.last = record.times[0], record.times[1], record.times[-1]
    record.end = record.last + 3e-4
    if usage:
        record.prompt_tokens, record.completion_tokens, record.cached_tokens = record.input_tokens, record.output_limit, 0


def bench(
    loads: list[Load] | None = None, *, repeat: int = 1, slo: SLO | None = None, seed: int = 0, status: str = "complete", **server: Any
) -> dict[str, Any]:
    """A document of kind serve over `loads`, rounds interleaved. `server`: what level() takes."""
    limits = slo.as_dict() if slo else None
    settings = {"endpoint": "chat", "dataset": "random", "language": "en", "input_tokens": 128, "output_tokens": 32, "prefix_tokens": 0}
    settings |= {"ignore_eos": True, "temperature": 0.0, "slo": limits, "warmup": 8, "timeout": 600.0, "repeat": repeat}
    made = document.new(
        "serve",
        settings,
        "sllm bench serve --url http://127.0.0.1:8000",
        seed=seed,
        server={"url": "http://127.0.0.1:8000", "model": "demo", "engine": "vllm 0.32.0", "max_model_len": 2048, "flags": {}},
    )
    for round_number in range(repeat):
        for load in loads or [closed(1), closed(4), closed(8), closed(16), closed(32)]:
            made["levels"].append(
                document.level_entry(
                    level(load, seed=seed * 1000 + round_number, **server), round_number, slo, prompt_set=f"set {round_number}"
                )
            )
    document.finish(made, made["note"] or (None if status == "complete" else "stopped"))
    return made


def saved(folder: Path, **what: Any) -> Path:
    """A document in a file, as a run leaves it."""
    file = folder / "result.json"
    document.save(bench(**what), file)
    return file
