"""/v1/chat/completions: every text of a choice through a passage of its own, whole and as it streams.

`content`, `reasoning` (`reasoning_content`), `refusal` and strings that nobody here knows flow: what may be shown goes out
at once. They are judged in the order thoughts, content, refusal; thoughts that are held back when the content begins are
judged as they are then. A model that goes back to thoughts after that has them judged anew: a value that is split over
such a break is found only where the answer is whole.

A tool call is shown whole or not at all. A stream holds it back until its choice has ended and then gives it in one
piece, since half of its arguments is of no use; where a guard blocks it, neither shape has it, nor those after it. The
same is true of `function_call` and of every other object or list in a message, known or not (`audio`, `annotations`).

Blocked: `finish_reason` is "content_filter", `refusal` what the guard says, the texts what came out before.
Not judged: names of tools that look like names, ids, sound (`audio.data`), keys of objects, other candidates for a
token (`top_logprobs`), and a `stop_reason`, which is a text of the request; a blocked choice has none.
"""

from __future__ import annotations

from typing import Any

from server.deltas import add, joined
from server.guards.passage import Kind, Open
from server.guards.shapes.choices import ChoicesScreen, Count, Piece, drop_unknown, whole_answer, with_logs
from server.guards.shapes.events import MAX_EVENT, Unreadable, encode
from server.guards.shapes.nested import Blocked, judged, tells_nothing
from server.guards.shapes.text import Text
from server.guards.shapes.tokens import Tape, Tokens, token_of

TWINS = ("reasoning", "reasoning_content")  # two names for the same; engines that write both write the same
RANK = {"content": 1, "refusal": 2}  # all others are thoughts: 0


def screen(open_: Open, include_usage: bool, expected: int, count: Count | None) -> ChoicesScreen:
    return ChoicesScreen(lambda index: _Choice(index, open_), include_usage, expected, count)


def flows(place: str, name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and (name in RANK or name in TWINS or not tells_nothing(place, name, value))


class _Texts:
    """The flowing texts of one message."""

    def __init__(self, index: int, open_: Open, limited: bool) -> None:
        self.place = f"choices[{index}].message"
        self.open = open_
        self.texts: dict[str, Text] = {}
        limit = {} if limited else {"limit": None}
        self.tapes = {"content": Tape(**limit), "refusal": Tape(**limit)}
        self.logs = {name: Tokens(tape) for name, tape in self.tapes.items()}
        self.said: dict[str, str] = {}  # since the last piece went out
        self.refused = ""
        self.twins = False

    async def feed(self, values: dict[str, str]) -> bool:
        """Texts that came together. False: one was blocked, and nothing more may be shown."""
        self.twins = self.twins or (TWINS[0] in values and values[TWINS[0]] == values.get(TWINS[1]))
        for name in sorted(values, key=_rank):
            if self.twins and name == TWINS[1]:
                continue
            if not await self._close(_rank(name)):
                return False
            text = self.texts.get(name)
            if text is None or text.finished:
                text = self.texts[name] = self._text(name)
            self._say(name, await text.feed(values[name]))
            if text.blocked:
                return self._refuse(text)
        return True

    async def finish(self) -> bool:
        for name in sorted(self.texts, key=_rank):
            if not await self._end(name):
                return False
        return True

    async def _close(self, rank: int) -> bool:
        """What comes before `rank` is judged as it is, where something of it is held back."""
        for name, text in self.texts.items():
            if text.held and _rank(name) < rank and not await self._end(name):
                return False
        return True

    async def _end(self, name: str) -> bool:
        text = self.texts[name]
        self._say(name, await text.finish())
        return not text.blocked or self._refuse(text)

    def _text(self, name: str) -> Text:
        kind: Kind = "text" if name in RANK else "reasoning"
        return Text(self.open, f"{self.place}.{name}", kind, self.tapes["refusal" if name == "refusal" else "content"])

    def _say(self, name: str, shown: str) -> None:
        self.said[name] = self.said.get(name, "") + shown
        if self.twins and name == TWINS[0]:
            self._say(TWINS[1], shown)

    def _refuse(self, text: Text) -> bool:
        self.refused = text.passage.refusal
        return False


def _rank(name: str) -> int:
    return RANK.get(name, 0)


class _Choice:
    """One choice of a stream."""

    def __init__(self, index: int, open_: Open) -> None:
        self.over = False
        self.blocked = False
        self._index = index
        self._texts = _Texts(index, open_, limited=True)
        self._nested: dict[str, Any] = {}
        self._size = 0  # of these, in bytes
        self._logged = False  # the engine tells logprobs
        self._told = False  # one of them went out

    async def take(self, piece: Piece) -> list[Piece] | None:
        delta = piece.get("delta")
        delta = {} if delta is None else delta
        if not isinstance(delta, dict):
            raise Unreadable("a delta that is no object")
        place = self._texts.place
        values = {name: value for name, value in delta.items() if flows(place, name, value)}
        nested = {name: value for name, value in delta.items() if isinstance(value, dict | list) and value}
        same = not drop_unknown(piece) and not nested
        if nested:
            self._size += len(encode(nested))
            if self._size > MAX_EVENT:
                raise Unreadable("tool calls that do not end")
            add(self._nested, nested)
        logs = self._add(piece.get("logprobs"))
        ends = piece.get("finish_reason") is not None
        if not await self._texts.feed(values) or (ends and not await self._texts.finish()):
            return [self._blocked(piece, self._texts.refused)]
        said = self._take_said()
        before = []
        if ends and self._nested:
            shown, refusal = await self._judge_nested()
            if shown:
                before.append({"index": self._index, "delta": {**_said(said), **shown}, "logprobs": None, "finish_reason": None})
                said = {}
            if refusal is not None:
                self._texts.said = said
                return [*before, self._blocked(piece, refusal)]
            same = False
        entries = self._entries(ends)
        if same and said == values and _same_logs(entries, logs):
            return None
        out: dict[str, Any] = {}
        for name, value in delta.items():
            if name in values:
                value = said.pop(name, "") or None
            if name not in nested and not (name in values and value is None):
                out[name] = value
        out |= _said(said)
        if not ends and entries is None and not any(out.values()):
            return before
        return [*before, with_logs({**piece, "delta": out}, entries)]

    async def finish(self) -> list[Piece]:
        piece: Piece = {"index": self._index, "delta": {}, "logprobs": None, "finish_reason": None}
        if not await self._texts.finish():
            return [self._blocked(piece, self._texts.refused)]
        shown, refusal = await self._judge_nested()
        delta = _said(self._take_said()) | shown
        entries = self._entries(True)
        pieces = [{**piece, "delta": delta, "logprobs": entries}] if delta or entries is not None else []
        return pieces if refusal is None else [*pieces, self._blocked(piece, refusal)]

    def _add(self, logprobs: Any) -> dict[str, Any] | None:
        """Note the logprobs of a piece. Gives them as they go out where nothing is held or dropped."""
        if logprobs is None:
            return None
        self._logged = True
        return add_logs(self._texts.logs, logprobs)

    def _entries(self, last: bool) -> dict[str, Any] | None:
        """The logprobs that may go out now."""
        if not self._logged:
            return None
        found = {name: [entry for entry, _ in log.ready(last)] for name, log in self._texts.logs.items()}
        if any(found.values()) or (last and not self._told):
            self._told = True
            return {"content": found["content"], **({"refusal": found["refusal"]} if found["refusal"] else {})}
        return None

    def _take_said(self) -> dict[str, str]:
        said, self._texts.said = self._texts.said, {}
        return said

    async def _judge_nested(self) -> tuple[dict[str, Any], str | None]:
        """(what of the nested parts is shown, the refusal where one was blocked)."""
        parts, self._nested = self._nested, {}
        shown, refusal = await judge_nested(joined(parts), self._texts.place, self._texts.open)
        if shown.get("tool_calls"):
            shown["tool_calls"] = [{"index": number, **call} for number, call in enumerate(shown["tool_calls"])]
        return {name: value for name, value in shown.items() if value}, refusal

    def _blocked(self, piece: Piece, refusal: str) -> Piece:
        """The last of this choice: what came out before the block, and why it ends."""
        self.over = self.blocked = True
        said = _said(self._take_said())
        role = (piece.get("delta") or {}).get("role")
        delta = ({"role": role} if role else {}) | said | {"refusal": said.get("refusal", "") + refusal}
        entries = self._entries(True)
        return {"index": self._index, "delta": delta, "logprobs": entries, "finish_reason": "content_filter", "stop_reason": None}


def _said(said: dict[str, str]) -> dict[str, Any]:
    return {name: text for name, text in said.items() if text}


def _same_logs(entries: dict[str, Any] | None, logs: dict[str, Any] | None) -> bool:
    """Whether the `entries` that go out are those that came in; lists without entries say nothing."""
    if entries is not None and logs is None:
        return False
    return _full(entries) == _full(logs)


def _full(logs: dict[str, Any] | None) -> dict[str, Any]:
    return {name: entries for name, entries in (logs or {}).items() if entries}


def add_logs(logs: dict[str, Tokens], logprobs: Any) -> dict[str, Any]:
    """Note logprobs; gives them without what is not known. Raises Unreadable."""
    if not isinstance(logprobs, dict):
        raise Unreadable("logprobs that are no object")
    known: dict[str, Any] = {}
    for name, log in logs.items():
        entries = logprobs.get(name)
        if entries is None:
            if name in logprobs:
                known[name] = None
            continue
        if not isinstance(entries, list):
            raise Unreadable("logprobs that are no list")
        known[name] = entries
        for entry in entries:
            log.add(token_of(entry), entry)
    return known


NESTED_FIRST = ("function_call", "tool_calls")


async def judge_nested(parts: dict[str, Any], place: str, open_: Open) -> tuple[dict[str, Any], str | None]:
    """(the nested parts of a message as they may be shown, the refusal where one was blocked: then it and the later ones are left out)."""
    shown: dict[str, Any] = {}
    names = [name for name in NESTED_FIRST if name in parts] + sorted(name for name in parts if name not in NESTED_FIRST)
    for name in names:
        value = parts[name]
        try:
            if name == "tool_calls" and isinstance(value, list):
                shown[name] = []
                for number, call in enumerate(value):
                    shown[name].append(await judged(call, f"{place}.tool_calls[{number}]", open_))
            else:
                shown[name] = await judged(value, f"{place}.{name}", open_)
        except Blocked as blocked:
            return shown, blocked.refusal
    return shown, None


async def whole(body: bytes, open_: Open) -> bytes:
    """The answer `body` as it may be shown. Raises Unreadable."""
    return await whole_answer(body, lambda choice, index: _whole_choice(choice, index, open_))


async def _whole_choice(choice: Piece, index: int, open_: Open) -> Piece | None:
    """`choice` with what may be shown put into it; None where nothing changed. Raises Unreadable."""
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Unreadable("a choice without a message")
    texts = _Texts(index, open_, limited=False)
    values = {name: value for name, value in message.items() if flows(texts.place, name, value)}
    nested = {name: value for name, value in message.items() if isinstance(value, dict | list) and value}
    changed = drop_unknown(choice)
    logprobs = choice.get("logprobs")
    logs = add_logs(texts.logs, logprobs) if logprobs is not None else None
    refusal = None if await texts.feed(values) and await texts.finish() else texts.refused
    shown: dict[str, Any] = {}
    if refusal is None:
        shown, refusal = await judge_nested(nested, texts.place, open_)
    for name, value in values.items():
        said = texts.said.get(name, "")
        changed = changed or said != value
        message[name] = said if said or refusal is None else None
    for name, value in nested.items():
        changed = changed or shown.get(name) != value
        _put(message, name, shown.get(name))
    if refusal is not None:
        changed = True
        message["content"] = message.get("content") or None
        message["refusal"] = (message.get("refusal") or "") + refusal
        choice["finish_reason"] = "content_filter"
        choice["stop_reason"] = None
    if logs is not None:
        kept = {name: [entry for entry, _ in log.ready(last=True)] for name, log in texts.logs.items()}
        if {name: entries or [] for name, entries in logs.items()} != {name: kept[name] for name in logs}:
            changed = True
        choice["logprobs"] = {name: kept[name] if entries is not None else None for name, entries in logs.items()}
    return choice if changed else None


def _put(message: dict[str, Any], name: str, value: Any) -> None:
    if name == "tool_calls" and not value:
        message.pop(name)  # as in an answer that calls none
    else:
        message[name] = value
