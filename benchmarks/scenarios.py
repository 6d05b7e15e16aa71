"""What the gateway benchmark measures, and one measurement of it: load, CPU time and noise around it."""

from __future__ import annotations

import gc
import json
import time
from dataclasses import asdict, dataclass, field

from benchmarks.load import Result, Target, chat_request, check_answer, check_stream, load
from benchmarks.processes import TICKS, Server, fetch, machine_ticks, own_cpu_seconds
from benchmarks.stats import percentile


@dataclass(frozen=True)
class Scenario:
    """A closed loop. `events` 0: whole answers; `pace_ms`: pause between a stream's events; `limit`: requests in all, else by time."""

    name: str
    metric: str  # the field of Measurement that is compared
    concurrency: int
    events: int = 0
    pace_ms: float = 0.0
    limit: int = 0
    once: bool = False  # one round only: it looks for faults and memory, not for speed


SCENARIOS = (
    Scenario("requests", "per_second", 16),
    Scenario("latency", "p50_ms", 1),
    Scenario("streams", "per_second", 16, events=66),
    Scenario("thousand streams", "per_second", 1000, events=60, pace_ms=50, limit=2000, once=True),
)


@dataclass
class Subject:
    """What is measured: a gateway, or the mock itself (`server` None) as the floor."""

    name: str
    target: Target
    server: Server | None = None
    setup: dict[str, str] = field(default_factory=dict)

    def memory(self) -> dict[str, int]:
        """Peak resident bytes: of the process that serves, and of all its processes together."""
        each = list(self.server.peak_memory().values()) if self.server else []
        return {"peak_bytes": each[0] if each else 0, "all_bytes": sum(each)}

    def stop(self) -> None:
        if self.server:
            self.server.stop()


@dataclass(frozen=True)
class Measurement:
    """One round of one subject. `cpu_us`: the gateway's CPU time a request or stream; `busy`: its share of one core;
    `elsewhere`: cores kept busy by anything that is no part of the benchmark (noise)."""

    scenario: str
    subject: str
    round: int
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    cpu_us: float
    busy: float
    elsewhere: float
    errors: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


async def warm_up(scenario: Scenario, subject: Subject, seconds: float) -> None:
    """The same load for a while, not recorded (nor for scenarios that run once)."""
    if seconds and not scenario.once:
        await _load(scenario, subject, seconds)


async def measure(scenario: Scenario, subject: Subject, number: int, seconds: float, mock: Server) -> Measurement:
    """One round. Raises RuntimeError when not one answer was right."""
    fetch(mock.port, f"/control?pace_ms={scenario.pace_ms}")
    gc.collect()
    gc.disable()
    server = subject.server
    before, started = _cpu(server, mock), time.monotonic()
    result = await _load(scenario, subject, seconds)
    after, wall = _cpu(server, mock), time.monotonic() - started
    gc.enable()
    if not result.requests:
        raise RuntimeError(f"{subject.name}, {scenario.name}: no right answer: {dict(result.errors)}")
    used = [b - a for a, b in zip(before, after, strict=True)]  # machine, gateway, mock and client
    return Measurement(
        scenario=scenario.name,
        subject=subject.name,
        round=number,
        requests=result.requests,
        per_second=result.requests / result.seconds,
        p50_ms=percentile(result.latencies, 50) / 1e6,
        p99_ms=percentile(result.latencies, 99) / 1e6,
        first_p50_ms=percentile(result.first_bytes, 50) / 1e6,
        cpu_us=used[1] / result.requests * 1e6,
        busy=used[1] / wall,
        elsewhere=max(0.0, (used[0] - used[1] - used[2]) / wall),
        errors=dict(result.errors),
    )


async def _load(scenario: Scenario, subject: Subject, seconds: float) -> Result:
    request = chat_request(subject.target, scenario.events)
    check = check_stream(scenario.events) if scenario.events else check_answer
    return await load(subject.target, request, check, concurrency=scenario.concurrency, seconds=seconds, limit=scenario.limit)


def _cpu(server: Server | None, mock: Server) -> tuple[float, float, float]:
    busy, stolen = machine_ticks()
    return (busy + stolen) / TICKS, server.cpu_seconds() if server else 0.0, mock.cpu_seconds() + own_cpu_seconds()


def most_streams(mock: Server) -> int:
    """Most streams that the mock has run at once."""
    return int(json.loads(fetch(mock.port, "/control")[1])["peak"])


def order(subjects: list[Subject], number: int) -> list[Subject]:
    """The order of a round: forwards, then backwards, so that no subject always follows the same one."""
    return subjects if number % 2 == 0 else subjects[::-1]
