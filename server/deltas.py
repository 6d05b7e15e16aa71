"""Deltas of a stream, merged into the value that the whole answer has.

The rules are those of the `openai` package's accumulator, for fields that nobody knows as well: texts are joined,
lists extended, lists of objects with an `index` merged item by item, objects merged field by field, all else replaced.
A text grows as a list of pieces and is joined at the end, so that a long stream costs its length and not its square.
"""

from __future__ import annotations

from typing import Any

SET = frozenset(("index", "type", "id", "role", "call_id", "object"))  # said once, or said again as they are


class Pieces(list[str]):
    """A text on its way."""


def add(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Merge `delta` into `into`."""
    for name, value in delta.items():
        have = into.get(name)
        if value is None:
            into.setdefault(name, None)
        elif isinstance(value, str) and name not in SET:
            if isinstance(have, Pieces):
                have.append(value)
            else:
                into[name] = Pieces([value])
        elif isinstance(value, dict):
            if not isinstance(have, dict):
                have = into[name] = {}
            add(have, value)
        elif isinstance(value, list):
            if not isinstance(have, list):
                have = into[name] = []
            _extend(have, value)
        elif name not in SET or have in (None, ""):
            into[name] = value


def _extend(have: list[Any], more: list[Any]) -> None:
    for item in more:
        index = item.get("index") if isinstance(item, dict) else None
        if not isinstance(index, int):
            have.append(item)
            continue
        found = have[index] if 0 <= index < len(have) else None
        if not isinstance(found, dict) or found.get("index") != index:
            found = next((other for other in have if isinstance(other, dict) and other.get("index") == index), None)
        if found is None:
            found = {"index": index}
            have.append(found)
        add(found, item)


def joined(value: Any) -> Any:
    """`value` with its texts joined, and items that have an `index` in its order."""
    if isinstance(value, Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {name: joined(item) if isinstance(item, dict | list) else item for name, item in value.items()}
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [joined(item) for item in value]
        if all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in items):
            items.sort(key=lambda item: item["index"])
        return items
    return value
