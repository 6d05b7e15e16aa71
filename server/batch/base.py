"""What the parts of batch work hand to each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")


@dataclass(frozen=True, slots=True)
class Line:
    """One request. `number` counts the input's lines from 1; `body` is a JSON object as it goes to the model."""

    number: int
    custom_id: str
    url: str
    model: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not run. `custom_id` is None where the line does not tell it; `param` names the field that is wrong."""

    number: int
    custom_id: str | None
    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a line. `retry_after` in seconds, as the server asked.

    `loading`: its engine takes no requests yet, or not at the moment: the line waits, and this was no attempt.
    `broken`: the engine broke off while it worked on the line.
    """

    status: int
    request_id: str
    body: bytes
    retry_after: float | None = None
    loading: bool = False
    broken: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Result:
    """How a line ended: an answer, or `error` (code, message) for one that got none."""

    line: Line
    answer: Answer | None
    error: tuple[str, str] | None = None


Send = Callable[[Line], Awaitable[Answer]]
"""Runs a line once. Does not raise for what an engine or an upstream does; may be cancelled."""


class Share(Protocol):
    """How many lines may be in flight at each engine at this moment."""

    async def enter(self, model: str) -> None:
        """Wait until one more line of `model` may be sent."""

    def leave(self, model: str) -> None:
        """A line of `model` that had entered is over."""


class Fixed:
    """A Share that never changes: `most` lines in flight together, whatever their model."""

    def __init__(self, most: int) -> None:
        self.room = asyncio.Semaphore(most)

    async def enter(self, model: str) -> None:
        await self.room.acquire()

    def leave(self, model: str) -> None:
        self.room.release()
