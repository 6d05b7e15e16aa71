"""`sllm bench batching`: the same requests by static, by dynamic and by continuous batching, to show what each buys.

One engine with room for one batch (`--max-num-seqs`), the same prompts, answer lengths and arrival times for all three; only when a
request is given to the engine differs (batches.py). Twice: with all requests there from the start, which shows the most that each
brings, and with requests that arrive one by one, which shows what they wait.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load, Request
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs import batchreport, settings
from benchmarks.runs.batches import MODES, Mode, Policy, output_lengths, poisson
from benchmarks.runs.dispatch import Dispatcher, Done
from benchmarks.runs.session import EngineOptions, Session, fitting, run_alone

SEQUENCES = "--max-num-seqs"
BACKLOG, ARRIVING = "all at once", "arriving"


@dataclass(frozen=True, kw_only=True)
class BatchingOptions(EngineOptions):
    requests: int = 64
    batch: int = 8
    max_wait: float = 0.5  # seconds; dynamic
    share: float = 0.7  # of what continuous batching brought with all requests at once: the arrival rate, where `rate` is None
    rate: float | None = None  # arrivals a second
    low: int = 16  # answer lengths, log-uniform between the two
    high: int = 256
    prompts: PromptOptions = field(default_factory=lambda: PromptOptions(endpoint="completions", input_tokens=64))
    repeat: int = 2
    command: str = "sllm bench batching"

    def check(self) -> None:
        """Raises BenchUsageError."""
        if self.batch < 2:
            raise BenchUsageError(f"--batch {self.batch}: a batch has 2 requests or more")
        if self.requests < self.batch:
            raise BenchUsageError(f"--requests {self.requests} do not fill one batch of {self.batch}: write {4 * self.batch} or more")
        if not 1 <= self.low <= self.high:
            raise BenchUsageError(f"--output-tokens {self.low}:{self.high}: write the shortest and the longest answer, such as 16:256")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise BenchUsageError(f"--rate {self.rate:g}: write requests a second above 0")
        if not 0 <= self.max_wait < math.inf:
            raise BenchUsageError(f"--max-wait {self.max_wait:g}: write seconds, 0 or more")
        if not 0 < self.share < math.inf:
            raise BenchUsageError(f"--share {self.share:g}: write a number above 0, such as 0.7")
        if self.repeat < 1:
            raise BenchUsageError("--repeat is 1 or more")
        replace(self.prompts, output_tokens=self.high).check()


def run(options: BatchingOptions, file: Path) -> dict[str, Any]:
    """The document, kept in `file` as it grows. Raises BenchError when nothing could be measured."""
    options.check()
    if not any(word.partition("=")[0] == SEQUENCES for word in options.flags):
        options = replace(options, flags=(*options.flags, SEQUENCES, str(options.batch)))

    async def work(session: Session) -> None:
        asked = fitting(replace(options.prompts, output_tokens=options.high), session)
        await session.warm_up(await session.prompts(asked, options.batch, salt=-1), options.batch)
        capacity = []
        for repeat in range(options.repeat):
            requests = await _requests(options, session, asked, salt=2 * repeat)
            for mode in _order(repeat):
                done = await _measure(options, session, requests, mode, math.inf, repeat)
                if mode == "continuous":
                    capacity.append(len(done.level.records) / done.level.seconds)
        rate = options.rate or round(options.share * sum(capacity) / len(capacity), 3)
        session.made["settings"]["rate"] = rate
        for repeat in range(options.repeat):
            requests = await _requests(options, session, asked, salt=2 * repeat + 1)
            for mode in _order(repeat):
                await _measure(options, session, requests, mode, rate, repeat)

    said = {
        **settings.asked(options.prompts),
        **{key: getattr(options, key) for key in ("requests", "batch", "max_wait", "share", "rate", "repeat")},
        "output_tokens": [options.low, options.high],
        "warmup": options.batch,
    }
    return run_alone("batching", options, said, file, work)


def _order(repeat: int) -> Sequence[Mode]:
    """Turned around each round, so that a slow spell of the machine does not always meet the same one."""
    return MODES if repeat % 2 == 0 else tuple(reversed(MODES))


async def _requests(options: BatchingOptions, session: Session, asked: PromptOptions, salt: int) -> list[Request]:
    """The prompts of one round, each with its own answer length."""
    made = await session.prompts(asked, options.requests, salt)
    lengths = output_lengths(options.low, options.high, len(made), options.seed + salt)
    return [limited(request, length) for request, length in zip(made, lengths, strict=True)]


def limited(request: Request, tokens: int) -> Request:
    """The same request with an answer of `tokens` tokens."""
    body = json.dumps(json.loads(request.body) | {"max_tokens": tokens}, ensure_ascii=False, separators=(",", ":")).encode()
    return replace(request, body=body, output_tokens=tokens)


async def _measure(options: BatchingOptions, session: Session, requests: Sequence[Request], mode: Mode, rate: float, repeat: int) -> Done:
    """One policy over one round's requests, kept. The prefix cache is told apart by a salt, so that no policy profits from another."""
    arrivals = poisson(rate, len(requests), options.seed + repeat)
    load = Load("open", rate=rate, requests=len(requests))
    way = BACKLOG if math.isinf(rate) else ARRIVING
    name = f"{mode}, {way}" + (f", round {repeat + 1} of {options.repeat}" if options.repeat > 1 else "")
    session.live.level(name, load)
    policy = Policy(mode, options.batch, options.max_wait)
    salted = [_salted(request, f"{name} {options.seed}") for request in requests]
    done = await Dispatcher(session.target, salted, options.timeout, session.stop, session.live.progress).run(policy, arrivals, load)
    session.keep(done.level, repeat, f"{mode}, {way}")
    batchreport.add(session.made, done, mode, way, repeat)
    session.checked(done.level, name)
    return done


def _salted(request: Request, salt: str) -> Request:
    body = json.dumps(json.loads(request.body) | {"cache_salt": salt}, ensure_ascii=False, separators=(",", ":")).encode()
    return replace(request, body=body)
