"""Streams of /v1/responses: events that tell of items, parts and texts as they grow, and at the end of everything again.

Texts of messages and thoughts flow: what may be shown goes out at once; an event that closes a text is preceded by one
more delta with what was held back; what later events repeat of it is what was shown. Every other item (a tool call) is
held back until it is done and then told with all its events, its text in one delta where a guard changed it; of one that
was blocked nothing is told. `sequence_number` counts what goes out. A block is told as the API tells a refusal, and ends
with `response.incomplete`. Events that nobody knows pass with the texts in them judged each on its own.
"""

from __future__ import annotations

from typing import Any

from server.guards.passage import Kind, Open
from server.guards.shapes.choices import Count, drop
from server.guards.shapes.events import Splitter, Unreadable, data_of, decode, named, remade
from server.guards.shapes.held import Held
from server.guards.shapes.nested import Blocked, judged
from server.guards.shapes.responses import (
    FIELDS,
    LISTS,
    TELLING,
    Answer,
    Item,
    Key,
    Part,
    filtered,
    incomplete,
    message,
    refusal_events,
    refused,
)
from server.guards.shapes.text import Text
from server.guards.shapes.tokens import Tokens, token_of

FLOWS: dict[str, tuple[str, str, Kind]] = {  # the text's name in events: (list, field, kind)
    "response.output_text": ("content", "text", "text"),
    "response.refusal": ("content", "refusal", "text"),
    "response.reasoning_text": ("content", "text", "reasoning"),
    "response.reasoning_summary_text": ("summary", "text", "reasoning"),
}
BEGINS = frozenset(("response.created", "response.in_progress", "response.queued"))
ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))
PARTS = {  # events of parts: the list that the part is in
    "response.content_part": "content",
    "response.reasoning_part": "content",
    "response.reasoning_summary_part": "summary",
}

Event = dict[str, Any]


def screen(open_: Open, include_usage: bool, expected: int, count: Count | None) -> ResponseScreen:
    return ResponseScreen(open_)


class _TextBlocked(Blocked):
    """A text that flows was blocked."""

    def __init__(self, key: Key, refusal: str) -> None:
        super().__init__(refusal)
        self.key = key


class ResponseScreen:
    """One stream. `feed` gives what may go out. Raises Unreadable."""

    def __init__(self, open_: Open) -> None:
        self.ended = False
        self.blocked = False
        self._answer = Answer(open_)
        self._splitter = Splitter()
        self._number: int | None = None  # of the next event
        self._told = -1  # the highest output_index so far
        self._response: dict[str, Any] = {}  # as it was told last
        self._items: dict[int, Item] = {}  # as they began
        self._done: dict[int, Item] = {}  # as they were shown
        self._held = Held()  # items that are shown whole
        self._flows: dict[Key, tuple[str, Any]] = {}  # (the text's name in events, its item_id)
        self._parts: dict[Key, tuple[str, Any]] = {}  # (the part's name in events, as it was told last)
        self._logs: dict[Key, Tokens] = {}
        self._unknown: dict[str, Part] = {}

    async def feed(self, data: bytes) -> bytes:
        out: list[bytes] = []
        for raw in self._splitter.feed(data) if not self.ended else ():
            await self._event(raw, out)
            if self.ended:
                break
        return b"".join(out)

    async def finish(self) -> bytes:
        """The stream has ended. What is held of one that broke off was never done, and is not shown."""
        out: list[bytes] = []
        tail = self._splitter.finish()
        if tail.strip() and not self.ended:
            await self._event(tail.rstrip(b"\r\n") + b"\n\n", out)
        return b"".join(out)

    async def _event(self, raw: bytes, out: list[bytes]) -> None:
        data = data_of(raw)
        if data is None or data.strip() in (b"", b"[DONE]"):
            out.append(raw)
            return
        event = decode(data)
        if not isinstance(event, dict):
            raise Unreadable("an event that is no object")
        kind = event.get("type")
        if kind == "error" or (event.get("error") is not None and kind is None):
            self._tell(event, out, raw)
            return
        if not isinstance(kind, str):
            raise Unreadable("an event without a type")
        number = event.get("output_index")
        try:
            await self._take(raw, event, kind, out)
        except _TextBlocked as blocked:
            self._refuse(blocked.key[0], self._cut_off(blocked.key, out), blocked.refusal, out)
        except Blocked as blocked:
            left = blocked.shown if blocked.shown is not None else self._left(number)
            self._refuse(number, left, blocked.refusal, out)

    async def _take(self, raw: bytes, event: Event, kind: str, out: list[bytes]) -> None:
        base, _, what = kind.rpartition(".")
        number = event.get("output_index")
        if kind in BEGINS or kind in ENDS:
            await self._whole(raw, event, kind in ENDS, out)
        elif isinstance(number, int) and number in self._held:
            await self._hold(number, raw, event, kind, out)
        elif base == "response.output_item":
            await self._item(raw, event, what, out)
        elif base in FLOWS and what == "delta":
            await self._delta(raw, event, base, out)
        elif base in FLOWS and what == "done":
            await self._text_done(raw, event, base, out)
        elif base in PARTS:
            await self._part(raw, event, base, what, out)
        elif kind == "response.audio.delta":
            self._tell(event, out, raw)
        else:
            await self._other(raw, event, base, what, out)

    # the whole answer, at the beginning and at the end

    async def _whole(self, raw: bytes, event: Event, ends: bool, out: list[bytes]) -> None:
        response = event.get("response")
        if not isinstance(response, dict):
            raise Unreadable("an event without its answer")
        drop(response, TELLING)
        self._response = {**response, "output": []}
        if response.get("output"):
            items = response["output"]
            if ends:
                await self._catch_up(items, out)
            try:
                response["output"] = await self._answer.output(items)
            except Blocked as blocked:
                self._end(incomplete(response, blocked.shown, blocked.refusal), out)
                return
            for number in self._held.numbers() if ends else ():
                if number < len(items):
                    self._release(number, response["output"][number], out)
        self._tell(event, out, raw)

    async def _catch_up(self, items: Any, out: list[bytes]) -> None:
        """Finish the texts whose end no event told."""
        for key in [key for key, part in self._answer.parts.items() if not part.text.finished and key in self._flows]:
            number, name, index = key
            field = FLOWS[self._flows[key][0]][1]
            try:
                told = items[number][name][index][field]
            except (LookupError, TypeError):
                told = None
            await self._close(key, told, out)

    # items

    async def _item(self, raw: bytes, event: Event, what: str, out: list[bytes]) -> None:
        number, item = event.get("output_index"), event.get("item")
        if not isinstance(number, int) or not isinstance(item, dict):
            raise Unreadable("an event without its item")
        lists = LISTS.get(str(item.get("type")))
        if what != "done":
            if lists is None:
                self._held.add(number, raw, event)
                return
            empty: Item = {name: [] for name in lists if item.get(name)}
            self._items[number] = await self._answer.item(number, {**item, **empty})
            self._tell({**event, "item": self._items[number]}, out, raw)
            return
        for name in lists or ():
            for index, part in enumerate(item.get(name) or ()):
                await self._close((number, name, index), part.get("text") if isinstance(part, dict) else None, out)
        self._done[number] = await self._answer.item(number, item)
        self._tell({**event, "item": self._done[number]}, out, raw)

    async def _hold(self, number: int, raw: bytes, event: Event, kind: str, out: list[bytes]) -> None:
        self._held.add(number, raw, event)
        if kind != "response.output_item.done":
            return
        try:
            shown = await self._answer.item(number, event.get("item"))
            for text in self._held.unknown(number):
                await judged(text, f"output[{number}]", self._answer.open, memo=self._answer.memo)
        except Blocked as blocked:
            self._held.drop(number)
            raise Blocked(blocked.refusal) from None
        self._release(number, shown, out)

    def _release(self, number: int, shown: Item, out: list[bytes]) -> None:
        """Tell all events of an item that was held."""
        self._done[number] = shown
        for raw, event in self._held.told(number, shown, self._answer.memo):
            self._tell(event, out, raw)

    # texts that flow

    async def _delta(self, raw: bytes, event: Event, base: str, out: list[bytes]) -> None:
        key, part = self._text(event, base)
        delta, entries = event.get("delta"), event.get("logprobs") or []
        if not isinstance(delta, str) or not isinstance(entries, list):
            raise Unreadable("a delta that is no text")
        if entries and part.text.tape is not None:
            log = self._logs.setdefault(key, Tokens(part.text.tape))
            for entry in entries:
                log.add(token_of(entry), entry)
        shown = await part.feed(delta)
        ready = self._ready(key, part.text.blocked)
        if shown or ready or (not delta and not entries):
            logs = {"logprobs": ready} if ready != entries else {}
            self._tell({**event, "delta": shown, **logs}, out, raw)
        if part.text.blocked:
            raise _TextBlocked(key, part.text.passage.refusal)

    def _text(self, event: Event, base: str) -> tuple[Key, Part]:
        name, field, kind = FLOWS[base]
        number, index = event.get("output_index"), event.get(f"{name}_index")
        if not isinstance(number, int) or not isinstance(index, int):
            raise Unreadable("an event without its place")
        key = (number, name, index)
        self._flows[key] = (base, event.get("item_id"))
        return key, self._answer.begin(key, field, kind, base == "response.output_text")

    def _ready(self, key: Key, last: bool) -> list[Any]:
        log = self._logs.get(key)
        return [entry for entry, _ in log.ready(last)] if log is not None else []

    async def _text_done(self, raw: bytes, event: Event, base: str, out: list[bytes]) -> None:
        key, part = self._text(event, base)
        field = FLOWS[base][1]
        await self._close(key, event.get(field), out)
        new = {**event, field: part.shown}
        if event.get("logprobs"):
            new["logprobs"] = filtered(event["logprobs"], part.text, part.raw)
        self._tell(new, out, raw)

    async def _close(self, key: Key, told: Any, out: list[bytes]) -> None:
        """Finish the text at `key`, which is `told` to be this, and tell what was held. Raises Blocked."""
        part = self._answer.parts.get(key)
        if part is None or part.text.finished:
            return
        shown = ""
        if isinstance(told, str) and told != part.raw and told.startswith(part.raw):
            shown = await part.feed(told[len(part.raw) :])
        if not part.text.blocked:
            shown += await part.finish()
        ready = self._ready(key, True)
        if shown or ready:
            self._tell(self._of_text(key, "delta", "delta", shown, ready), out)
        if part.text.blocked:
            raise _TextBlocked(key, part.text.passage.refusal)

    async def _part(self, raw: bytes, event: Event, base: str, what: str, out: list[bytes]) -> None:
        """A part that begins is empty; one that is done holds what was shown."""
        name = PARTS[base]
        number, index, part = event.get("output_index"), event.get(f"{name}_index"), event.get("part")
        if not isinstance(number, int) or not isinstance(index, int) or not isinstance(part, dict):
            raise Unreadable("an event without its part")
        key = (number, name, index)
        field = FIELDS.get(str(part.get("type")))
        if what != "done":
            shown = {**part, field: ""} if field is not None and part.get(field) else part
            shown = {**shown, "logprobs": []} if shown.get("logprobs") else shown
            shown = await judged(shown, f"output[{number}].{name}[{index}]", self._answer.open, memo=self._answer.memo)
        else:
            await self._close(key, part.get(field) if field is not None else None, out)
            try:
                shown = await self._answer.part(key, part)
            except Blocked as blocked:
                raise Blocked(blocked.refusal, self._left(number)) from None
        self._parts[key] = (base, shown)
        self._tell({**event, "part": shown}, out, raw)

    # what nobody knows

    async def _other(self, raw: bytes, event: Event, base: str, what: str, out: list[bytes]) -> None:
        place = base + "".join(
            f"[{event[name]}]" for name in ("output_index", "content_index", "summary_index", "item_id") if name in event
        )
        new = dict(event)
        if what == "delta" and isinstance(event.get("delta"), str):
            part = self._unknown.get(place)
            if part is None:
                part = self._unknown[place] = Part(Text(self._answer.open, base, "text"))
            new["delta"] = await part.feed(event["delta"])
            if part.text.blocked:
                raise Blocked(part.text.passage.refusal)
            if not new["delta"]:
                return
        elif what == "done" and place in self._unknown:
            part = self._unknown.pop(place)
            rest = await part.finish()
            if part.text.blocked:
                raise Blocked(part.text.passage.refusal)
            if rest:
                texts = {name for name, value in event.items() if isinstance(value, str) and value == part.raw}
                more = {name: value for name, value in event.items() if name not in texts}
                self._tell({**more, "type": f"{base}.delta", "delta": rest}, out)
            self._answer.memo[part.raw, "text"] = part.shown
        self._tell(await judged(new, base, self._answer.open, memo=self._answer.memo) if what != "delta" else new, out, raw)

    # the end

    def _cut_off(self, key: Key, out: list[bytes]) -> Item | None:
        """Tell that the text at `key` and its part are over; what is left of its item."""
        field = FLOWS[self._flows[key][0]][1]
        self._tell(self._of_text(key, "done", field, self._answer.parts[key].shown, []), out)
        if key in self._parts:
            base, part = self._parts[key]
            self._tell({**self._place(key), "type": f"{base}.done", "part": self._shown_part(key, part)}, out)
        return self._left(key[0])

    def _left(self, number: Any) -> Item | None:
        """The item at `number`, which has begun to flow, with what was shown of it so far."""
        item = self._items.get(number)
        if item is None:
            return None
        lists: Item = {name: [] for name in LISTS.get(str(item.get("type")), ())}
        for key in sorted(self._parts.keys() | self._flows.keys()):
            if key[0] == number and key[1] in lists:
                part = self._parts[key][1] if key in self._parts else {"type": self._flows[key][0].removeprefix("response.")}
                lists[key[1]].append(self._shown_part(key, part))
        return {**item, **lists}

    def _shown_part(self, key: Key, part: Any) -> Any:
        if key not in self._answer.parts or key not in self._flows:
            return part
        return {**part, FLOWS[self._flows[key][0]][1]: self._answer.parts[key].shown}

    def _refuse(self, number: Any, left: Item | None, refusal: str, out: list[bytes]) -> None:
        """End the answer with a refusal. `left`: what may be shown of the item at `number`."""
        items = [self._done[other] for other in sorted(self._done) if other != number]
        if left is not None:
            if left.get("type") == "message":
                self._tell_all(refusal_events(number, left, refusal), out)
            left = refused(left, refusal)
            self._tell({"type": "response.output_item.done", "output_index": number, "item": left}, out)
            items.append(left)
        if left is None or left.get("type") != "message":
            number = self._told + 1
            begun = message(self._response, [])
            self._tell({"type": "response.output_item.added", "output_index": number, "item": {**begun, "status": "in_progress"}}, out)
            self._tell_all(refusal_events(number, begun, refusal), out)
            items.append(refused(begun, refusal))
            self._tell({"type": "response.output_item.done", "output_index": number, "item": items[-1]}, out)
        self._end(incomplete(self._response, items, refusal), out)

    def _end(self, response: dict[str, Any], out: list[bytes]) -> None:
        self.ended = self.blocked = True
        self._tell({"type": "response.incomplete", "response": response}, out)

    # telling

    def _place(self, key: Key) -> Event:
        number, name, index = key
        return {"item_id": self._flows[key][1], "output_index": number, f"{name}_index": index}

    def _of_text(self, key: Key, what: str, field: str, value: str, entries: list[Any]) -> Event:
        base = self._flows[key][0]
        logs = {"logprobs": entries} if base == "response.output_text" else {}
        return {"type": f"{base}.{what}", **self._place(key), field: value, **logs}

    def _tell_all(self, events: list[Event], out: list[bytes]) -> None:
        for event in events:
            self._tell(event, out)

    def _tell(self, event: Event, out: list[bytes], raw: bytes | None = None) -> None:
        """One event goes out, with its number; with the bytes that it came in where it is the same."""
        said = event.get("sequence_number")
        if self._number is None and isinstance(said, int):
            self._number = said
        if self._number is not None:
            event = {**event, "sequence_number": self._number}
            self._number += 1
        if isinstance(event.get("output_index"), int):
            self._told = max(self._told, event["output_index"])
        if raw is None:
            out.append(named(event))
        else:
            out.append(raw if decode(data_of(raw) or b"") == event else remade(raw, event))
