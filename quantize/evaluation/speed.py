"""Output tokens a second and time to first token, at given concurrencies, of streams with a fixed length.

A closed loop: `concurrency` clients, each sends its next request as soon as its last has ended. Prompts are token ids of the
evaluation's texts, each cut elsewhere and with a salt of its own, so that none is read from the prefix cache; `ignore_eos` makes
every answer equally long. One run is for warming up and is thrown away.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict

from quantize.evaluation.client import Client, gather
from quantize.evaluation.metrics import quantile
from quantize.evaluation.options import Options

ROUNDS = 4  # requests of each client in one run


class Request(BaseModel):
    """Seconds since the first request of its run was sent."""

    model_config = ConfigDict(frozen=True)

    sent: float
    first: float
    last: float
    tokens: int


class Load(BaseModel):
    """The runs at one concurrency, request by request."""

    model_config = ConfigDict(frozen=True)

    concurrency: int
    input_tokens: int
    output_tokens: int
    runs: tuple[tuple[Request, ...], ...]

    @property
    def tokens_per_second(self) -> float:
        """Output tokens a second: those of one run by the time from its first request's sending to its last token (vLLM's
        `bench serve` calls it output token throughput); the median over the runs."""
        return statistics.median(sum(r.tokens for r in run) / (max(r.last for r in run) - min(r.sent for r in run)) for run in self.runs)

    def ttft(self, share: float) -> float:
        """Seconds from a request's sending to the first event that carries a token: the quantile over all requests of all runs."""
        return quantile(sorted(r.first - r.sent for run in self.runs for r in run), share)


async def load(client: Client, tokens: Sequence[int], context: int, concurrency: int, options: Options, say: Callable[[str], None]) -> Load:
    """One warm-up and `options.repeats` runs. `tokens` is a stock of token ids to cut prompts from; `context` in tokens."""
    output = min(options.output_tokens, max(context // 2, 1))
    length = max(1, min(options.input_tokens, context - output - 1, len(tokens)))
    draw = random.Random(options.seed)

    async def run(rounds: int) -> tuple[Request, ...]:
        prompts = [_cut(tokens, length, draw) for _ in range(concurrency * rounds)]
        began = time.perf_counter()
        timings = await gather([partial(client.stream, prompt, output, uuid.uuid4().hex, began) for prompt in prompts], concurrency)
        return tuple(Request(sent=t.sent, first=t.first, last=t.last, tokens=t.tokens) for t in timings)

    await run(1)
    runs = []
    for number in range(options.repeats):
        say(f"speed at {concurrency}: run {number + 1} of {options.repeats}")
        runs.append(await run(ROUNDS))
    return Load(concurrency=concurrency, input_tokens=length, output_tokens=output, runs=tuple(runs))


def _cut(tokens: Sequence[int], length: int, draw: random.Random) -> list[int]:
    """`length` tokens from anywhere in the stock, taken as a ring."""
    start = draw.randrange(len(tokens))
    ring = [*tokens[start : start + length], *tokens[: max(0, start + length - len(tokens))]]
    return list(ring[:length])
