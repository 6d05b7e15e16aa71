"""What one request met, and what one level of load was: the facts that every figure is made of.

Times are seconds since the level began (time.perf_counter), so that two levels never share a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Request:
    """One request to send. `body` is sent as it stands, to `path` of the target."""

    path: str  # /v1/chat/completions or /v1/completions
    body: bytes  # JSON; `stream` and `stream_options.include_usage` are in it
    input_tokens: int = 0  # as the prompt set made it; 0: not known
    output_tokens: int = 0  # the limit that was asked for; 0: none
    group: str = ""  # requests of one shared prefix, one data set's part; ""


@dataclass(slots=True)
class Record:
    """What one request met. None stands for what never came."""

    index: int  # its place in the level, from 0
    input_tokens: int = 0  # as the prompt set made it
    output_limit: int = 0
    scheduled: float = 0.0  # when the load wanted it to start; in a closed loop, when it was sent
    sent: float = 0.0  # when it was begun: before a connection is opened, where none is kept (so does vLLM's clock)
    written: float = 0.0  # when its bytes were given to the socket
    status: int = 0  # HTTP status; 0: no answer
    first: float | None = None  # first event with choices, empty text or not
    first_content: float | None = None  # first event with text, reasoning or a tool call in it
    last: float | None = None  # last event with text, reasoning or a tool call in it
    end: float | None = None  # the last byte of the answer, or when it was known that there will be none
    times: list[float] = field(default_factory=list)  # arrival of each event with choices, in order; vLLM's latency ends at the last
    prompt_tokens: int | None = None  # from usage
    completion_tokens: int | None = None  # from usage
    cached_tokens: int | None = None  # from usage.prompt_tokens_details, where the server says it
    finish_reason: str | None = None
    text: str = ""  # what was answered (reasoning first); for the token check, not kept in results
    error: str | None = None  # None: a whole answer. Else a class of few words: "status 503", "connection refused", "ended early" ...
    detail: str = ""  # the server's own words, cut to 300 characters
    group: str = ""


@dataclass(frozen=True)
class Load:
    """How requests are started.

    closed: `concurrency` requests are open at any time; the next starts when one ends.
    open: arrivals with a mean of `rate` a second, gaps of a gamma distribution (`burstiness` 1.0: exponential, so a Poisson process;
    vLLM's convention: shape = burstiness), at most `concurrency` open at a time where it is given.
    The level ends after `requests` requests, or when `seconds` are over and what is open has ended.
    """

    mode: Literal["closed", "open"]
    concurrency: int | None = None
    rate: float | None = None  # requests/s; inf: all at once
    requests: int | None = None
    seconds: float | None = None
    burstiness: float = 1.0


@dataclass(frozen=True)
class Delay:
    """What the load generator itself cost: how late it was, and how busy. Milliseconds; `cpu` is a share of one core."""

    loop_p50: float  # a timer that should fire every few milliseconds: how late it fires
    loop_p99: float
    loop_max: float
    send_p50: float  # sent - when it was due: its arrival, in an open loop; else when the answer before it had ended
    send_p99: float
    send_max: float
    cpu: float


@dataclass
class Level:
    """One level of load: what was asked for, what each request met, in order of `index`."""

    load: Load
    records: list[Record]
    seconds: float  # first request sent to last answer ended
    started: str  # ISO date, UTC
    delay: Delay
    partial: str | None = None  # why it was not run to its end; None: it was
    unsent: int = 0  # arrivals that still waited for a place under the cap on concurrency when the time was over


@dataclass(frozen=True)
class Progress:
    """Where a level stands, some ten times a second, for a live display."""

    seconds: float
    sent: int
    open: int
    done: int  # ended, failed ones included
    failed: int
    output_tokens: int  # of requests that are done by usage, of open ones their events
    wanted: int | None  # requests in all; None: until the time is over
    limit: float | None  # seconds in all
