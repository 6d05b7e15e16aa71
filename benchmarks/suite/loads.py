"""Loads of the suite: prompts of token ids, how many requests a level gets, and levels under a step's deadline."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.loadgen.target import Target, parse
from benchmarks.reports import document
from benchmarks.suite.steps import Context

WAVES = 8  # times that as many requests as are open are sent, at most
FEWEST = 4  # requests of a level, at least
LEAST_LEFT = 5.0  # seconds of the step under which no level is begun
SPECIAL = 3  # ids below are the tokenizer's special tokens


@dataclass(frozen=True)
class Lengths:
    input: int
    output: int

    def __str__(self) -> str:
        return f"{self.input}/{self.output}"


def prompts(model: str, lengths: Lengths, count: int, vocabulary: int, seed: int) -> list[Request]:
    """Requests whose prompts are random token ids, no two alike, so that no prefix is shared. Answers have their full length."""
    source, made = random.Random(seed), []
    for _ in range(count):
        ids = [source.randrange(SPECIAL, vocabulary) for _ in range(lengths.input)]
        asked = {"model": model, "prompt": ids, "max_tokens": lengths.output, "ignore_eos": True, "temperature": 0.0}
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
        made.append(Request("/v1/completions", json.dumps(asked).encode(), lengths.input, lengths.output))
    return made


def requests_for(concurrency: int, output: int, seconds_per_token: float, cap: float) -> int:
    """Requests of a closed level: as many waves as are expected to fit into `cap` seconds, up to WAVES; one at least, and FEWEST
    requests. A wave lasts output x seconds_per_token, which the level before has shown."""
    waves = min(int(cap / max(output * seconds_per_token, 1e-6)), WAVES)
    return max(concurrency * waves, concurrency, FEWEST)


class Loader:
    """Levels against one engine, under the step's deadline: what does not fit is cut off or left out, and says so."""

    def __init__(self, context: Context, model: str, vocabulary: int, cap: float, kv_tokens: int | None = None):
        self.context, self.model, self.vocabulary, self.cap, self.kv_tokens = context, model, vocabulary, cap, kv_tokens
        self.per_token = 0.0  # seconds, as last seen
        self.seed = 0
        self.entries: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []

    async def warm_up(self, url: str, lengths: Lengths, concurrency: int) -> None:
        """Two requests in turn, then as many as will be open: no figure is made of them. Raises BenchError where none is answered."""
        for count in (2, concurrency):
            asked = prompts(self.model, lengths, count, self.vocabulary, 10_000_000 + count)
            level = await self._run(parse(url), asked, Load("closed", concurrency=count, requests=count))
            good = [record for record in level.records if record.error is None]
            if not good and self.context.left() > LEAST_LEFT:
                first = level.records[0]
                raise BenchError(f"the engine answered none of {count} requests: {first.error}: {first.detail}")
            if count == 2 and good:
                self.per_token = ((good[-1].end or 0) - good[-1].sent) / lengths.output

    async def level(self, url: str, lengths: Lengths, concurrency: int, *, repeat: int = 0, **marks: Any) -> dict[str, Any] | None:
        """One closed level, kept in `entries` with its `marks`; None where it was left out, which `skipped` explains."""
        marks = {"lengths": str(lengths), **marks}
        if why := self._why_not(lengths, concurrency):
            self.skipped.append({**marks, "concurrency": concurrency, "why": why})
            self.context.say(f"{lengths} at {concurrency}: {why}")
            return None
        wanted = requests_for(concurrency, lengths.output, self.per_token, self.cap)
        self.seed += 1
        asked = prompts(self.model, lengths, wanted, self.vocabulary, self.seed)
        level = await self._run(parse(url), asked, Load("closed", concurrency=concurrency, requests=wanted, seconds=self.cap))
        if level.partial and self.context.left() <= 0:
            self.context.out_of_time()
        entry = document.level_entry(level, repeat, None, prompt_set=f"random token ids {lengths}") | marks
        if len(level.records) < wanted and not level.partial:
            entry["capped"] = f"{len(level.records)} of {wanted} requests were started in {self.cap:g} s"
        self.entries.append(entry)
        summary = entry["summary"]
        spent = summary["e2e_ms"]["vllm"]
        if spent:
            self.per_token = spent["p50"] / 1000 / lengths.output
        self.context.say(f"{lengths} at {concurrency}: {summary['output_tokens_per_second']:.0f} output tokens/s {entry.get('capped', '')}")
        return entry

    def _why_not(self, lengths: Lengths, concurrency: int) -> str | None:
        needed = concurrency * (lengths.input + lengths.output)
        if self.kv_tokens is not None and needed > self.kv_tokens:
            return f"does not fit: {needed:,} tokens of KV cache, and the engine has {self.kv_tokens:,}"
        if self.context.left() < LEAST_LEFT + lengths.output * self.per_token:
            self.context.out_of_time()
            return "the step's time was over"
        return None

    async def _run(self, target: Target, asked: Sequence[Request], load: Load) -> Level:
        stop = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(max(self.context.left(), 0.0), stop.set)
        try:
            return await run_level(target, asked, load, seed=self.seed, timeout=600.0, stop=stop)
        finally:
            timer.cancel()

    def keep(self) -> list[dict[str, Any]]:
        """The levels without their requests; those go to FOLDER/raw/STEP.json.gz, with each event's time."""
        raw = self.context.folder / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        with gzip.open(raw / f"{self.context.step}.json.gz", "wt", encoding="utf-8") as file:
            json.dump(self.entries, file)
        return [{key: value for key, value in entry.items() if key != "requests"} for entry in self.entries]
