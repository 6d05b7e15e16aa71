"""One text of an answer on its way to the client: what every guard does to it, piece by piece or whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

Kind = Literal["text", "reasoning", "arguments"]  # `arguments`: JSON as the model wrote it


class Passage(Protocol):
    """Text in, text out that may be shown. Whatever the pieces, the pieces that come out make the same text."""

    blocked: bool  # nothing more will come; what was judged good before it has come out
    refusal: str  # what the client is told then
    released: int  # characters of what came in that have been given out, or cut
    cuts: Sequence[tuple[int, int]]  # [start, end) of what came in that was taken out or replaced

    async def feed(self, text: str) -> str: ...

    async def finish(self) -> str:
        """The rest, at the end of the text."""


Open = Callable[[str, Kind], Passage]  # a place (`choices[0].message.content`), its kind -> its passage
