"""Embeddings, input by input: what of a list is known is not computed again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.cache.control import Control
from server.cache.entry import Entry
from server.cache.flight import Flight
from server.cache.identity import Identity, Origin, identify
from server.cache.shapes import embeddings, entry_from_whole
from server.errors import NotInCache
from server.gateway.call import Call
from server.gateway.kept import Kept
from server.gateway.replay import HIT, send_entry

MOST_INPUTS = 2048  # OpenAI's limit; a longer list passes the cache by
AT_ONCE = 64  # look-ups in the store

NOT_KEPT = "There is no kept answer to this request: send it without `Cache-Control: only-if-cached` to have one made."


class Inputs:
    """One request's inputs: `known` has the answer to each, or None; `wanted` are the places that the engine is asked for."""

    def __init__(self, keys: Sequence[bytes], body: bytes) -> None:
        self.keys = keys
        self.body = body  # as the client asked
        self.known: list[bytes | None] = [None] * len(keys)
        self.wanted = list(range(len(keys)))

    @property
    def partly(self) -> bool:
        return len(self.wanted) < len(self.keys)

    def answer(self, engines: bytes) -> bytes:
        """The client's answer, out of what was known and what the engine said now; the latter alone where it does not fit."""
        if not self.partly:
            return engines
        made = embeddings.parts(self.body, self.wanted, engines)
        if made is None:
            return engines
        whole = list(self.known)
        for place, part in zip(self.wanted, made, strict=True):
            whole[place] = part
        return embeddings.join([part for part in whole if part is not None])


def read_inputs(body: bytes, path: str, origin: Origin) -> Inputs | None:
    """None where the inputs cannot be told apart."""
    bodies = embeddings.split(body)
    if bodies is None or len(bodies) > MOST_INPUTS:
        return None
    found = [identify(path, one, origin) for one in bodies]
    keys = [one.key for one in found if isinstance(one, Identity)]
    return Inputs(keys, body) if len(keys) == len(bodies) else None


async def look_up(call: Call, inputs: Inputs, origin: Origin, said: Control, kept: Kept) -> bool:
    """True: answered from what was kept. Else the call's body asks for what is missing. Raises NotInCache."""
    assert call.target is not None
    entries = await _entries(inputs, said, kept) if said.read else [None] * len(inputs.keys)
    inputs.known = [entry.body if entry is not None else None for entry in entries]
    for place in embeddings.short(inputs.known):
        inputs.known[place] = entries[place] = None
    inputs.wanted = [place for place, part in enumerate(inputs.known) if part is None]
    found = [entry for entry in entries if entry is not None]
    for entry in found:
        kept.metrics.saved(call.target.name, entry.prompt_tokens, 0, entry.engine_seconds)
    if found and not inputs.wanted:
        call.cache = HIT
        oldest = min(entry.created for entry in found)
        whole = Entry(
            "embeddings", embeddings.join([e.body for e in found]), b"", b"", oldest, "", "", 0, 0, 0.0, natural_end=False
        )  # fmt: skip
        await send_entry(call, whole, max(0, int(kept.clock() - oldest)))
        return True
    if said.only_if_cached:
        raise NotInCache(NOT_KEPT)
    if inputs.partly:
        call.body = embeddings.batch(inputs.body, inputs.wanted)
        rest = identify(call.path, call.body, origin)
        call.identity = rest if isinstance(rest, Identity) else None
    call.inputs = inputs
    return False


async def _entries(inputs: Inputs, said: Control, kept: Kept) -> list[Entry | None]:
    now = [kept.now(key) for key in inputs.keys]
    missing = [place for place, entry in enumerate(now) if entry is None and kept.levels.may_have(inputs.keys[place])]
    for start in range(0, len(missing), AT_ONCE):
        places = missing[start : start + AT_ONCE]
        found = await asyncio.gather(*(kept.get(inputs.keys[place]) for place in places))
        for place, entry in zip(places, found, strict=True):
            now[place] = entry
    oldest = kept.clock() - said.max_age if said.max_age is not None else 0.0
    return [entry if entry is not None and entry.created >= oldest else None for entry in now]


def keep(call: Call, inputs: Inputs, flight: Flight, kept: Kept) -> None:
    """Keep the engine's answer, an entry for each input."""
    assert call.target is not None
    assert call.control is not None
    if flight.whole is None or flight.whole.status != 200:
        return
    made = embeddings.parts(inputs.body, inputs.wanted, flight.whole.body)
    for place, part in zip(inputs.wanted, made or (), strict=False):
        entry = entry_from_whole(
            call.path,
            part,
            created=kept.clock(),
            model=call.target.name,
            namespace=call.control.namespace,
            engine_seconds=flight.took / len(inputs.wanted),
        )
        if entry is not None:
            kept.put(inputs.keys[place], entry)
