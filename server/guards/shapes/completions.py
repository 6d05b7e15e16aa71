"""/v1/completions: the text of each choice through a passage of its own, whole and as it streams.

The text includes the prompt where the request said `echo`. Blocked: `finish_reason` is "content_filter", the text what came
out before; there is no field for a refusal. Logprobs go out with their text (tokens.py); `text_offset` is where a token
stands in the text that is shown, counted as the engine counts.
"""

from __future__ import annotations

from typing import Any

from server.guards.passage import Open
from server.guards.shapes.choices import ChoicesScreen, Count, Piece, drop_unknown, whole_answer, with_logs
from server.guards.shapes.events import Unreadable
from server.guards.shapes.text import Text
from server.guards.shapes.tokens import Span, Tape, Tokens

LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")

Entry = tuple[Any, ...]  # one token's value of each of LISTS; None where the engine has no such list


def screen(open_: Open, include_usage: bool, expected: int, count: Count | None) -> ChoicesScreen:
    return ChoicesScreen(lambda index: _Choice(index, open_, limited=True), include_usage, expected, count)


class _Choice:
    """One choice, of a stream or whole."""

    def __init__(self, index: int, open_: Open, limited: bool) -> None:
        self.over = False
        self.blocked = False
        self._index = index
        tape = Tape() if limited else Tape(limit=None)
        self._text = Text(open_, f"choices[{index}].text", "text", tape)
        self._log = Tokens(tape)
        self._names: tuple[str, ...] = ()  # of the lists that the engine gives
        self._told = False

    async def take(self, piece: Piece) -> list[Piece] | None:
        text = text_of(piece)
        same = not drop_unknown(piece)
        entries = self._add(piece.get("logprobs"))
        shown = await self._feed(text, [entry[0] for entry in entries])
        ends = piece.get("finish_reason") is not None
        if ends and not self._text.blocked:
            shown += await self._text.finish()
        if self._text.blocked:
            return [self._blocked(piece, shown)]
        ready = self._ready(ends)
        if same and shown == text and ready == entries and (ready or not ends or self._told or not self._names):
            self._told = self._told or bool(ready)
            return None
        logprobs = self._logprobs(ready, ends)
        if not ends and not shown and logprobs is None:
            return []
        return [with_logs({**piece, "text": shown}, logprobs)]

    async def finish(self) -> list[Piece]:
        piece: Piece = {"index": self._index, "text": "", "logprobs": None, "finish_reason": None}
        shown = await self._text.finish()
        if self._text.blocked:
            return [self._blocked(piece, shown)]
        logprobs = self._logprobs(self._ready(True), True)
        return [{**piece, "text": shown, "logprobs": logprobs}] if shown or logprobs is not None else []

    async def _feed(self, text: str, tokens: list[str]) -> str:
        """Token by token where there are some: so that offsets are the same whatever came together."""
        out = ""
        at = 0
        for token in tokens:
            if not token or not text.startswith(token, at):
                break
            out += await self._text.feed(token)
            at += len(token)
        return out + await self._text.feed(text[at:])

    def _add(self, logprobs: Any) -> list[Entry]:
        if logprobs is None:
            return []
        entries, self._names = read_logs(logprobs)
        self._text.track()
        for entry in entries:
            self._log.add(entry[0], entry)
        return entries

    def _ready(self, last: bool) -> list[Entry]:
        return [self._moved(entry, spans) for entry, spans in self._log.ready(last)]

    def _moved(self, entry: Entry, spans: list[Span]) -> Entry:
        offset = entry[3]
        if not isinstance(offset, int) or not spans:
            return entry
        return (*entry[:3], offset + self._text.shift(spans[0][1], entry[0]))

    def _logprobs(self, entries: list[Entry], last: bool) -> dict[str, Any] | None:
        """The lists that go out now; None: no lists. At the end there is one piece at least that has them."""
        if not self._names or not (entries or (last and not self._told)):
            return None
        self._told = True
        return written(entries, self._names)

    def _blocked(self, piece: Piece, shown: str) -> Piece:
        self.over = self.blocked = True
        logprobs = self._logprobs(self._ready(True), True)
        return with_logs({**piece, "text": shown, "finish_reason": "content_filter", "stop_reason": None}, logprobs)


def text_of(piece: Piece) -> str:
    text = piece.get("text")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Unreadable("a text that is none")
    return text


def read_logs(logprobs: Any) -> tuple[list[Entry], tuple[str, ...]]:
    """(an entry for each token, the lists that the engine gives). Raises Unreadable."""
    if not isinstance(logprobs, dict):
        raise Unreadable("logprobs that are no object")
    names = tuple(name for name in LISTS if logprobs.get(name) is not None)
    lists = [logprobs[name] if name in names else None for name in LISTS]
    tokens = lists[0]
    if tokens is None and not any(lists):
        return [], ()
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise Unreadable("logprobs without tokens")
    if any(values is not None and (not isinstance(values, list) or len(values) != len(tokens)) for values in lists):
        raise Unreadable("logprobs of another length than their tokens")
    entries = [tuple(values[number] if values is not None else None for values in lists) for number in range(len(tokens))]
    return entries, names


def written(entries: list[Entry], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: [entry[place] for entry in entries] if name in names else None for place, name in enumerate(LISTS)}


async def whole(body: bytes, open_: Open) -> bytes:
    """The answer `body` as it may be shown. Raises Unreadable."""
    return await whole_answer(body, lambda choice, index: _whole_choice(choice, index, open_))


async def _whole_choice(choice: Piece, index: int, open_: Open) -> Piece | None:
    """`choice` as it may be shown; None: as it is. Raises Unreadable."""
    ended = choice if choice.get("finish_reason") is not None else {**choice, "finish_reason": ""}
    taken = await _Choice(index, open_, limited=False).take(ended)
    if taken is None:
        return None
    return taken[0] | ({} if taken[0]["finish_reason"] else {"finish_reason": None})
