"""Streams of chat and completions: chunks, each with pieces of some of the answer's choices.

Of a chunk that nobody knows everything passes but what is dropped here: `prompt_token_ids`, `prompt_text`,
`prompt_logprobs` and `token_ids` (they tell texts that were not judged), and fields of a choice that are not known and
could hold text. Numbers, ids, `system_fingerprint`, `service_tier`, `metrics` and transfer parameters pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from server.guards.shapes.events import DONE, Splitter, Unreadable, data_of, decode, encode, event_of, remade

CHOICE = frozenset(("index", "logprobs", "finish_reason", "stop_reason", "delta", "message", "text"))
TELLING = ("prompt_token_ids", "prompt_text", "prompt_logprobs", "token_ids")

Piece = dict[str, Any]  # a choice of a chunk


class Choice(Protocol):
    """What is known of one choice of a stream."""

    over: bool  # nothing more of it goes out
    blocked: bool

    async def take(self, piece: Piece) -> list[Piece] | None:
        """What goes out in place of `piece`, a chunk each; None: `piece` as it is. Raises Unreadable."""

    async def finish(self) -> list[Piece]:
        """What is still held of a choice whose end nobody told."""


Count = Callable[[], Awaitable[int | None]]  # the prompt's tokens, where somebody counts them


class ChoicesScreen:
    """One stream. `expected`: how many choices it has; an answer whose every choice was blocked ends at once."""

    def __init__(self, make: Callable[[int], Choice], include_usage: bool, expected: int = 1, count: Count | None = None) -> None:
        self.ended = False
        self.blocked = False
        self._make = make
        self._include_usage = include_usage
        self._expected = expected
        self._count = count
        self._splitter = Splitter()
        self._choices: dict[int, Choice] = {}
        self._running: set[int] = set()  # choices that the engine has not ended
        self._envelope: dict[str, Any] = {}
        self._usage: Any = None
        self._steps = 0  # pieces that the engine has made; at least as many tokens
        self._closed = False  # [DONE] or an error has come

    async def feed(self, data: bytes) -> bytes:
        """Raises Unreadable."""
        if self.ended:
            return b""
        out = []
        for event in self._splitter.feed(data):
            out.append(await self._event(event))
            if self.ended:
                break
        return b"".join(out)

    async def finish(self) -> bytes:
        """The stream has ended. Raises Unreadable."""
        if self.ended:
            return b""
        out = b""
        tail = self._splitter.finish()
        if tail.strip():
            out = await self._event(tail.rstrip(b"\r\n") + b"\n\n")
        return out if self.ended else out + await self._flush()

    async def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None or not data.strip():
            return event
        if data.strip() == b"[DONE]":
            rest = await self._flush()
            self._closed = True
            return rest + event
        chunk = decode(data)
        if not isinstance(chunk, dict):
            raise Unreadable("an event that is no object")
        if is_error(chunk):
            self._closed = True
            return event
        choices = chunk.get("choices")
        if choices is None and chunk.get("usage") is not None:
            choices = []
        if not isinstance(choices, list):
            raise Unreadable("a chunk without choices")
        return await self._chunk(event, chunk, choices)

    async def _chunk(self, event: bytes, chunk: dict[str, Any], choices: list[Any]) -> bytes:
        if chunk.get("usage") is not None:
            self._usage = chunk["usage"]
        same = not drop(chunk, TELLING)
        self._envelope = {name: value for name, value in chunk.items() if name not in ("choices", "usage", *TELLING)}
        before: list[Piece] = []
        kept: list[Piece] = []
        for piece in choices:
            taken = await self._take(piece)
            if taken is None:
                kept.append(piece)
                continue
            same = False
            before += taken[:-1]
            kept += taken[-1:]
        if same:
            out = event
        else:
            out = self._events(before)
            if kept or not choices:
                out += remade(event, {**chunk, "choices": kept})
        return out + await self._end() if self._all_over() else out

    async def _take(self, piece: Any) -> list[Piece] | None:
        if not isinstance(piece, dict):
            raise Unreadable("a choice that is no object")
        index = piece.get("index", 0)
        if not isinstance(index, int):
            raise Unreadable("a choice without a number")
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = self._make(index)
            self._running.add(index)
        if piece.get("finish_reason") is not None:
            self._running.discard(index)
        delta = piece.get("delta")
        said = delta.values() if isinstance(delta, dict) and "role" not in delta else ()
        self._steps += any(said) or bool(piece.get("text"))
        if choice.over:
            return []
        taken = await choice.take(piece)
        self.blocked = self.blocked or choice.blocked
        return taken

    def _events(self, pieces: list[Piece]) -> bytes:
        return b"".join(event_of({**self._envelope, "choices": [piece]}) for piece in pieces)

    async def _flush(self) -> bytes:
        """What is held where nobody told the end of a choice. After an error nothing is shown."""
        if self._closed:
            return b""
        out = b""
        for index in sorted(self._choices):
            choice = self._choices[index]
            if not choice.over:
                out += self._events(await choice.finish())
                self.blocked = self.blocked or choice.blocked
        self._closed = True
        return out

    def _all_over(self) -> bool:
        """Whether the engine still makes what nobody will see, and nothing else."""
        if not self.blocked or len(self._choices) < self._expected or self._closed:
            return False
        return all(self._choices[index].over for index in self._running) and bool(self._running)

    async def _end(self) -> bytes:
        self.ended = True
        if not self._include_usage:
            return DONE
        return event_of({**self._envelope, "choices": [], "usage": self._usage or await self._counted()}) + DONE

    async def _counted(self) -> dict[str, int]:
        """The engine tells its counts at its own end, which does not come. Told is what was seen: a piece for each step."""
        prompt = (await self._count() if self._count is not None else None) or 0
        return {"prompt_tokens": prompt, "completion_tokens": self._steps, "total_tokens": prompt + self._steps}


async def whole_answer(body: bytes, judged: Callable[[Piece, int], Awaitable[Piece | None]]) -> bytes:
    """The answer `body` with `judged(choice, index)` in place of each choice; None: as it is. Raises Unreadable."""
    answer = decode(body)
    if not isinstance(answer, dict):
        raise Unreadable("an answer that is no object")
    if is_error(answer):
        return body
    choices = answer.get("choices")
    if not isinstance(choices, list):
        raise Unreadable("an answer without choices")
    changed = drop(answer, TELLING)
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise Unreadable("a choice that is no object")
        shown = await judged(choice, choice.get("index", place))
        if shown is not None:
            changed = True
            choices[place] = shown
    return encode(answer) if changed else body


def is_error(answer: dict[str, Any]) -> bool:
    """Whether the engine tells an error in place of an answer, or of its next piece."""
    return not answer.get("choices") and (answer.get("error") is not None or answer.get("object") == "error")


def with_logs(piece: Piece, logprobs: dict[str, Any] | None) -> Piece:
    """`piece` with these logprobs; without the field where there was none and there are none."""
    return {**piece, "logprobs": logprobs} if logprobs is not None or "logprobs" in piece else piece


def drop(chunk: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Set `names` to null; whether one of them was something else."""
    found = [name for name in names if chunk.get(name) is not None]
    for name in found:
        chunk[name] = None
    return bool(found)


def drop_unknown(choice: Piece) -> bool:
    """Set the fields of a choice to null that nobody knows and that could hold text; whether there were some."""
    return drop(choice, tuple(name for name, value in choice.items() if name not in CHOICE and isinstance(value, str | list | dict)))


def choices_of(path: str, request: Mapping[str, Any]) -> int:
    """How many choices the answer to `request` has: `n`, for each of its prompts."""
    n = request.get("n")
    count = n if isinstance(n, int) and n > 0 else 1
    prompt = request.get("prompt") if path == "/v1/completions" else None
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        count *= len(prompt)
    return count
