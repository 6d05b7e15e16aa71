"""Answers of each endpoint with their texts judged, whole and as a stream; one file an endpoint.

    screen = Screen(path, open_, include_usage, choices_of(path, request))     a stream
        await screen.feed(data) ... await screen.finish()                      events in, events out
        screen.ended        a guard has ended it: what came out is all of it, and the engine can stop
    await whole(path, body, open_)                                             a whole answer

What a client makes of the stream is what `whole` gives for the same answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from server.guards.passage import Open
from server.guards.shapes import chat, completions, response_events, responses
from server.guards.shapes.choices import Count, choices_of
from server.guards.shapes.events import Unreadable

__all__ = ["Screen", "Unreadable", "choices_of", "whole"]


class _Screen(Protocol):
    ended: bool
    blocked: bool

    async def feed(self, data: bytes) -> bytes: ...

    async def finish(self) -> bytes: ...


SCREENS: dict[str, Callable[[Open, bool, int, Count | None], _Screen]] = {
    "/v1/chat/completions": chat.screen,
    "/v1/completions": completions.screen,
    "/v1/responses": response_events.screen,
}
WHOLE: dict[str, Callable[[bytes, Open], Awaitable[bytes]]] = {
    "/v1/chat/completions": chat.whole,
    "/v1/completions": completions.whole,
    "/v1/responses": responses.whole,
}


class Screen:
    """One streamed answer of the route `path`. Raises Unreadable, and what the passages raise.

    `choices`: how many the answer has; with fewer, a block of the first could end a stream before the others begin.
    `count` tells the prompt's tokens, where a stream that a guard ends is to tell them.
    """

    def __init__(self, path: str, open_: Open, include_usage: bool, choices: int = 1, count: Count | None = None) -> None:
        self._screen = SCREENS[path](open_, include_usage, choices, count)

    @property
    def ended(self) -> bool:
        """Whether the proper end of a blocked answer has been given out before the engine's own."""
        return self._screen.ended

    @property
    def blocked(self) -> bool:
        """Whether a guard blocked something."""
        return self._screen.blocked

    async def feed(self, data: bytes) -> bytes:
        """SSE bytes, cut anywhere; those that may go out now."""
        return await self._screen.feed(data)

    async def finish(self) -> bytes:
        """What is left when the engine's stream has ended."""
        return await self._screen.finish()


async def whole(path: str, body: bytes, open_: Open) -> bytes:
    """The whole answer `body` of the route `path` as it may be shown: `body` itself where nothing changed. Raises Unreadable."""
    return await WHOLE[path](body, open_)
