"""The levels that the flags ask for: `--concurrency 1,8,64`, `--rate 2,4,inf`, and how long each lasts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load

CONCURRENCY = (1, 2, 4, 8, 16, 32)
LEAST, EACH = 32, 8  # requests of a closed level: 8 for each that is open, at least 32
OPEN_SECONDS = 30.0  # an open level lasts until about that many seconds' requests have come
MOST = 10_000  # requests of one level, where nobody says how many
MOST_RATE = 1e6


def loads(
    concurrency: str | None, rate: str | None, requests: int | None, seconds: float | None, burstiness: float, cap: int | None
) -> list[Load]:
    """Closed levels first, then open ones; neither flag: closed levels of CONCURRENCY. Raises BenchUsageError.

    `cap`: of open levels, the most requests that are open at a time.
    """
    if requests is not None and seconds is not None:
        raise BenchUsageError("--requests and --seconds both say how long a level lasts: give one of them")
    if requests is not None and requests < 1:
        raise BenchUsageError(f"--requests {requests}: write 1 or more")
    if seconds is not None and not 0 < seconds < math.inf:
        raise BenchUsageError(f"--seconds {seconds:g}: write a number above 0")
    if not 0 < burstiness < math.inf:
        raise BenchUsageError(f"--burstiness {burstiness:g}: write a number above 0; 1 is a Poisson process")
    if cap is not None and cap < 1:
        raise BenchUsageError(f"--max-concurrency {cap}: write 1 or more")
    closed = [_concurrency(word) for word in _words(concurrency)]
    rates = [_rate(word) for word in _words(rate)]
    if concurrency is None and rate is None:
        closed = list(CONCURRENCY)
    found = [Load("closed", concurrency=c, requests=_closed(c, requests, seconds), seconds=seconds) for c in closed]
    for r in rates:
        if seconds is not None and math.isinf(r):
            raise BenchUsageError("--rate inf sends all at once, so --seconds says nothing about it: give --requests")
        wanted = requests or (None if seconds is not None else _open(r))
        found.append(Load("open", concurrency=cap, rate=r, requests=wanted, seconds=seconds, burstiness=burstiness))
    if not found:
        raise BenchUsageError("no level of load: write --concurrency 1,8,64 or --rate 1,2,4")
    return found


def _closed(concurrency: int, requests: int | None, seconds: float | None) -> int | None:
    return requests or (None if seconds is not None else min(max(LEAST, EACH * concurrency), max(MOST, concurrency)))


def _open(rate: float) -> int:
    return 1000 if math.isinf(rate) else min(max(LEAST, math.ceil(rate * OPEN_SECONDS)), MOST)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _concurrency(word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise BenchUsageError(f"--concurrency '{word}': write whole numbers from 1 on, such as --concurrency 1,8,64")
    return int(word)


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = math.nan
    if not rate > 0 or (rate > MOST_RATE and not math.isinf(rate)):
        raise BenchUsageError(
            f"--rate '{word}': requests a second above 0 and up to {MOST_RATE:g}, or inf for all at once: --rate 1,2,4,inf"
        )
    return rate


def named(load: Load) -> str:
    """What a level is called in tables: `concurrency 8`, `rate 2.5/s`."""
    if load.mode == "closed":
        return f"concurrency {load.concurrency}"
    return "all at once" if load.rate is not None and math.isinf(load.rate) else f"rate {load.rate:g}/s"


def wanted(load: Load) -> int:
    """How many prompts a level is made for: its requests; of a level that lasts a time, a guess, used again from the start."""
    if load.requests:
        return load.requests
    guess = (load.rate or 0) * (load.seconds or 0) if load.mode == "open" else (load.concurrency or 1) * (load.seconds or 0)
    return int(min(max(LEAST, guess), 2000))


def body_fields(words: Sequence[str]) -> dict[str, Any]:
    """`--set top_p=0.9 --set 'stop=["."]'` as fields of a request's body. Raises BenchUsageError."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise BenchUsageError(f"--set {word}: write KEY=JSON, such as --set top_p=0.9")
        try:
            found[name] = json.loads(value)
        except ValueError:
            raise BenchUsageError(f"--set {word}: {value!r} is not JSON; a text wants quotes: --set '{name}=\"{value}\"'") from None
    return found
