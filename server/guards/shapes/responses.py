"""/v1/responses, whole: the texts of each output item through passages of their own. Its streams: response_events.py.

Judged are the parts of messages (`output_text` with its annotations, `refusal`) and of thoughts (`summary`, `content`),
and every other string of an item: arguments, custom input, code, queries, results, errors. A tool call is shown whole or
not at all. Not judged: ids, names of tools that look like names, `encrypted_content`, images, keys of objects, and what
an answer repeats of its request (`instructions`, `tools`, ...). Dropped: `input_messages` and `output_messages` (vLLM's
raw tokens), `output_text` beside the items.

Blocked: `status` is "incomplete", `incomplete_details.reason` "content_filter". The message keeps what came out before and
gets one more part, the refusal; after thoughts or a tool call the refusal is a message of its own. Nothing follows it.
"""

from __future__ import annotations

from typing import Any

from server.guards.passage import Kind, Open
from server.guards.shapes.choices import drop
from server.guards.shapes.events import Unreadable, decode, encode
from server.guards.shapes.nested import Blocked, Memo, judged
from server.guards.shapes.text import Text
from server.guards.shapes.tokens import Tape, Tokens, token_of

TELLING = ("input_messages", "output_messages", "output_text")
LISTS = {"message": ("content",), "reasoning": ("summary", "content")}  # items whose texts are parts: where they are
FIELDS = {"output_text": "text", "reasoning_text": "text", "summary_text": "text", "text": "text", "refusal": "refusal"}

Key = tuple[int, str, int]  # output_index, `content` or `summary`, place in it
Item = dict[str, Any]


class Part:
    """One text of an item, on its way or done."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.came: list[str] = []
        self.went: list[str] = []

    async def feed(self, piece: str) -> str:
        self.came.append(piece)
        return self._went(await self.text.feed(piece))

    async def finish(self) -> str:
        return self._went(await self.text.finish())

    @property
    def raw(self) -> str:
        self.came[:] = ["".join(self.came)]
        return self.came[0]

    @property
    def shown(self) -> str:
        self.went[:] = ["".join(self.went)]
        return self.went[0]

    def _went(self, shown: str) -> str:
        if shown:
            self.went.append(shown)
        return shown


class Answer:
    """The items of one answer, and what was judged of them: each text once, however often events repeat it."""

    def __init__(self, open_: Open) -> None:
        self.open = open_
        self.parts: dict[Key, Part] = {}
        self.memo: Memo = {}

    def begin(self, key: Key, field: str, kind: Kind, tokens: bool) -> Part:
        """The text at `key`, begun where it is not yet."""
        part = self.parts.get(key)
        if part is None:
            number, name, place = key
            tape = Tape() if tokens else None
            part = self.parts[key] = Part(Text(self.open, f"output[{number}].{name}[{place}].{field}", kind, tape))
        return part

    async def output(self, items: Any) -> list[Item]:
        """The items as they may be shown; the same list where nothing changed. Raises Blocked with those that are left, Unreadable."""
        if not isinstance(items, list):
            raise Unreadable("an output that is no list")
        shown: list[Item] = []
        for number, item in enumerate(items):
            try:
                shown.append(await self.item(number, item))
            except Blocked as blocked:
                left = [] if blocked.shown is None else [refused(blocked.shown, blocked.refusal)]
                raise Blocked(blocked.refusal, shown + left) from None
        return items if all(a is b for a, b in zip(shown, items, strict=True)) else shown

    async def item(self, number: int, item: Any) -> Item:
        """One item; the same object where nothing changed. Raises Blocked with what is left of it, Unreadable."""
        if not isinstance(item, dict):
            raise Unreadable("an item that is no object")
        place = f"output[{number}]"
        lists = LISTS.get(str(item.get("type")), ())
        others = {name: value for name, value in item.items() if name not in lists}
        shown = {**item, **await judged(others, place, self.open, memo=self.memo)}
        for name in lists:
            parts = item.get(name)
            if parts is None:
                continue
            if not isinstance(parts, list):
                raise Unreadable("an item whose parts are no list")
            done: list[Any] = []
            for index, part in enumerate(parts):
                try:
                    done.append(await self.part((number, name, index), part))
                except Blocked as blocked:
                    left = done + [blocked.shown] * (blocked.shown is not None)
                    rest: Item = {later: [] for later in lists[lists.index(name) + 1 :] if item.get(later)}
                    raise Blocked(blocked.refusal, shown | {name: left} | rest) from None
            if any(a is not b for a, b in zip(done, parts, strict=True)):
                shown[name] = done
        return item if all(shown[name] is item[name] for name in item) else shown

    async def part(self, key: Key, part: Any) -> Any:
        """One part; the same object where nothing changed. Raises Blocked, Unreadable."""
        number, name, index = key
        place = f"output[{number}].{name}[{index}]"
        field = FIELDS.get(str(part.get("type"))) if isinstance(part, dict) else None
        value = part.get(field) if field is not None else None
        if field is None or not isinstance(value, str):
            return await judged(part, place, self.open, memo=self.memo)
        others = {other: part[other] for other in part if other not in (field, "logprobs")}
        shown = {**part, **await judged(others, place, self.open, memo=self.memo)}
        text, said = await self._text(key, field, value, part.get("type"))
        shown[field] = value if said == value else said
        if part.get("logprobs"):
            shown["logprobs"] = filtered(part["logprobs"], text, value)
        if text.blocked:
            raise Blocked(text.passage.refusal, shown)
        return part if all(shown[other] is part[other] for other in part) else shown

    async def _text(self, key: Key, field: str, value: str, kind: Any) -> tuple[Text, str]:
        """The text at `key`: as it was judged when it streamed, else anew."""
        known = self.parts.get(key)
        if known is not None and known.text.finished and known.raw == value:
            return known.text, known.shown
        number, name, index = key
        part = Part(Text(self.open, f"output[{number}].{name}[{index}].{field}", "reasoning" if kind in THOUGHTS else "text"))
        await part.feed(value)
        await part.finish()
        self.parts[key] = part
        return part.text, part.shown


THOUGHTS = frozenset(("reasoning_text", "summary_text"))


def filtered(entries: Any, text: Text, value: str) -> Any:
    """The logprobs of a text that is done; the same list where none is dropped. Raises Unreadable."""
    if not isinstance(entries, list):
        raise Unreadable("logprobs that are no list")
    tokens = Tokens(Tape.of(text, value))
    for entry in entries:
        tokens.add(token_of(entry), entry)
    kept = [entry for entry, _ in tokens.ready(last=True)]
    return entries if len(kept) == len(entries) else kept


def refusal_part(refusal: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": refusal}


def refusal_events(number: int, item: Item, refusal: str) -> list[dict[str, Any]]:
    """The events that tell of a refusal as the next part of the message `item`."""
    place = {"item_id": item.get("id"), "output_index": number, "content_index": len(item["content"])}
    return [
        {"type": "response.content_part.added", **place, "part": refusal_part("")},
        {"type": "response.refusal.delta", **place, "delta": refusal},
        {"type": "response.refusal.done", **place, "refusal": refusal},
        {"type": "response.content_part.done", **place, "part": refusal_part(refusal)},
    ]


def refused(item: Item, refusal: str) -> Item:
    """An item of which a text was blocked, as it is shown: a message with the refusal as its last part."""
    item = {**item, "status": "incomplete"}
    if item.get("type") == "message":
        item["content"] = [*item["content"], refusal_part(refusal)]
    return item


def message(response: dict[str, Any], content: list[Any]) -> Item:
    """A message for a refusal that no message could hold; its id is that of the answer."""
    number = str(response.get("id") or "").removeprefix("resp_")
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "incomplete", "content": content}


def incomplete(response: dict[str, Any], items: list[Item], refusal: str) -> dict[str, Any]:
    """The answer that a guard has ended. `items` are those that are left."""
    if not items or items[-1].get("type") != "message" or items[-1].get("content", [])[-1:] != [refusal_part(refusal)]:
        items = [*items, message(response, [refusal_part(refusal)])]
    return {**response, "status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": items}


async def whole(body: bytes, open_: Open) -> bytes:
    """The answer `body` as it may be shown. Raises Unreadable."""
    answer = decode(body)
    if not isinstance(answer, dict):
        raise Unreadable("an answer that is no object")
    if answer.get("error") is not None and not answer.get("output"):
        return body
    changed = drop(answer, TELLING)
    try:
        shown = await Answer(open_).output(answer.get("output"))
    except Blocked as blocked:
        return encode(incomplete(answer, blocked.shown, blocked.refusal))
    if shown is not answer["output"]:
        changed = True
        answer["output"] = shown
    return encode(answer) if changed else body
