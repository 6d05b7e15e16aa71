"""Which linear layers a recipe keeps as they are.

The engine joins some layers into one matrix, which must be quantized whole or not at all: naming one of them names all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# what vLLM builds as one layer, by the name that it gives it
JOINED = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
}


def ignored(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Those of the layers `names` that `patterns` match: a full name, its last parts (`lm_head`, `mlp.up_proj`), or `re:REGEX`,
    from the name's start. Layers that the engine joins with one of them are among them. Sorted."""
    known, wanted = set(names), [*patterns]
    found = {name for name in known if any(_matches(name, pattern) for pattern in wanted)}
    for name in tuple(found):
        parent, _, last = name.rpartition(".")
        for parts in JOINED.values():
            if last in parts:
                found.update(sibling for part in parts if (sibling := f"{parent}.{part}") in known)
    return sorted(found)


def as_engine_knows(names: Iterable[str]) -> list[str]:
    """`names` and, for those that the engine joins, the joined layer's name: what a checkpoint must list as not quantized. Sorted."""
    known = set(names)
    for name in tuple(known):
        parent, _, last = name.rpartition(".")
        known.update(f"{parent}.{joined}" for joined, parts in JOINED.items() if last in parts)
    return sorted(known)


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("re:"):
        return re.match(pattern[3:], name) is not None
    return name == pattern or name.endswith(f".{pattern}")
