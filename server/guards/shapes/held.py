"""Items of /v1/responses that are shown whole or not at all: their events wait until the item is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.guards.shapes.events import MAX_EVENT, Unreadable
from server.guards.shapes.nested import Memo

FIELDS = {  # a text's name in events -> its field in the item
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.code_interpreter_call_code": "code",
}

Event = dict[str, Any]
Item = dict[str, Any]


class Held:
    """The events of the items that are not done, by `output_index`, with the bytes that they came in."""

    def __init__(self) -> None:
        self._events: dict[int, list[tuple[bytes, Event]]] = {}
        self._size = 0

    def __contains__(self, number: object) -> bool:
        return number in self._events

    def numbers(self) -> list[int]:
        return sorted(self._events)

    def add(self, number: int, raw: bytes, event: Event) -> None:
        """Raises Unreadable where items do not end."""
        self._events.setdefault(number, []).append((raw, event))
        self._size += len(raw)
        if self._size > MAX_EVENT:
            raise Unreadable("items that do not end")

    def drop(self, number: int) -> list[tuple[bytes, Event]]:
        events = self._events.pop(number)
        self._size -= sum(len(raw) for raw, _ in events)
        return events

    def unknown(self, number: int) -> list[str]:
        """The texts that deltas tell and whose place in the item nobody knows."""
        return [text for base, text in _joined(self._events[number]).items() if base not in FIELDS]

    def told(self, number: int, shown: Item, memo: Memo) -> Iterator[tuple[bytes, Event]]:
        """All events of an item as it may be `shown`; held no longer. Texts that changed come in one delta."""
        events = self.drop(number)
        left: dict[str, str] = {}  # texts of which the deltas say something else than what may be shown
        for base, text in _joined(events).items():
            want = shown.get(FIELDS[base]) if base in FIELDS else memo.get((text, "text"))
            if want != text:
                left[base] = want if isinstance(want, str) else ""
        for raw, event in events:
            base, _, what = str(event.get("type")).rpartition(".")
            new = dict(event)
            if base == "response.output_item":
                new["item"] = shown if what == "done" else _begun(event.get("item"), shown)
            elif what == "delta" and base in left:
                new["delta"] = left[base]
                left[base] = ""
            elif what == "done" and base in FIELDS:
                new |= {name: shown[name] for name in (FIELDS[base], "name") if name in event and name in shown}
            if new.get("delta") != "" or new == event:
                yield raw, new


def _joined(events: list[tuple[bytes, Event]]) -> dict[str, str]:
    """The texts that deltas tell, by their names in events."""
    texts: dict[str, list[str]] = {}
    for _, event in events:
        base, _, what = str(event.get("type")).rpartition(".")
        if what == "delta" and isinstance(event.get("delta"), str):
            texts.setdefault(base, []).append(event["delta"])
    return {base: "".join(pieces) for base, pieces in texts.items()}


def _begun(begun: Any, shown: Item) -> Item:
    """An item as it began, with nothing in it that is not in what is `shown` of it."""
    if not isinstance(begun, dict):
        raise Unreadable("an event without its item")
    new: Item = {}
    for name, value in begun.items():
        if name in FIELDS.values():
            new[name] = value if not value or str(shown.get(name)).startswith(str(value)) else ""
        elif value and isinstance(value, str | list | dict) and name not in ("status", "type", "id"):
            new[name] = shown.get(name)
        else:
            new[name] = value
    return new
