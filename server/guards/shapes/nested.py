"""The parts of an answer that are shown only whole: tool calls, and objects that nobody here knows.

A stream's pieces of them are put together (server/deltas.py), and judged at the end, each text in them on its own (`judged`).
"""

from __future__ import annotations

from typing import Any

from server.guards.passage import Kind, Open
from server.guards.places import DEEPEST, is_no_text
from server.guards.shapes.events import Unreadable
from server.guards.shapes.text import Text

LIKE_IDS = frozenset(("container_id", "server_label", "approval_request_id"))
ARGUMENTS = frozenset(("arguments",))
OPAQUE = frozenset(
    ("encrypted_content", "result", "partial_image_b64", "data", "expires_at")
)  # images, sound, what only its maker can read


Memo = dict[tuple[str, Kind], str]  # texts that were judged -> what may be shown of them


class Blocked(Exception):
    """A text was blocked; `refusal` is for the client, `shown` what is left of the part that it stands in, if anything."""

    def __init__(self, refusal: str, shown: Any = None) -> None:
        super().__init__("blocked")
        self.refusal = refusal
        self.shown = shown


async def judged(value: Any, place: str, open_: Open, kind: Kind = "text", memo: Memo | None = None, depth: int = 0) -> Any:
    """`value` with each text in it as it may be shown; the same object where nothing changed. Raises Blocked, Unreadable.

    A text that is in `memo` is not judged again.
    """
    if isinstance(value, str):
        return await one(value, place, open_, kind, memo)
    if depth > DEEPEST:
        raise Unreadable("JSON that is too deep")
    if isinstance(value, list):
        items = [await judged(item, f"{place}[{index}]", open_, kind, memo, depth + 1) for index, item in enumerate(value)]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        fields = {name: await _field(name, item, place, open_, memo, depth) for name, item in value.items()}
        return value if all(fields[name] is value[name] for name in fields) else fields
    return value


async def _field(name: str, value: Any, place: str, open_: Open, memo: Memo | None, depth: int) -> Any:
    if name in OPAQUE or (isinstance(value, str) and tells_nothing(place, name, value)):
        return value
    return await judged(value, f"{place}.{name}", open_, "arguments" if name in ARGUMENTS else "text", memo, depth + 1)


def tells_nothing(place: str, name: str, value: str) -> bool:
    """Whether a string is an id, a type, or the name of a tool that looks like one."""
    return is_no_text(place, "type" if name == "name" else "id" if name in LIKE_IDS else name, value)


async def one(value: str, place: str, open_: Open, kind: Kind = "text", memo: Memo | None = None) -> str:
    """A text that is there as a whole; the same object where it did not change. Raises Blocked."""
    if not value:
        return value
    if memo is not None and (value, kind) in memo:
        return memo[value, kind]
    text = Text(open_, place, kind)
    shown = await text.feed(value)
    if not text.blocked:
        shown += await text.finish()
    if text.blocked:
        raise Blocked(text.passage.refusal)
    shown = value if shown == value else shown
    if memo is not None:
        memo[value, kind] = shown
    return shown
