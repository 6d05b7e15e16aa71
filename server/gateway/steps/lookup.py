"""Answers from what was kept: the same request, or one that means the same."""

from __future__ import annotations

import time
from collections.abc import Awaitable

import msgspec

from server.cache.control import DEFAULT, Control, control
from server.cache.entry import KINDS, Entry
from server.cache.identity import MEMOISED, Ask, Identity, Origin, identify_anew
from server.cache.shapes import addressed, fits, with_stream
from server.errors import NotInCache
from server.gateway import inputs
from server.gateway.cache_metrics import EVERY
from server.gateway.call import Call
from server.gateway.inputs import NOT_KEPT
from server.gateway.kept import Kept
from server.gateway.replay import BYPASS, HIT, MISS, send_entry

MOST_KNOWN = 4096  # identities remembered


class LookUp:
    """Raises InvalidRequest for headers that say no such thing, NotInCache."""

    def __init__(self, kept: Kept, ask: Ask | None = None) -> None:
        """`ask` makes the question of a request where a look-up by meaning comes next."""
        self.kept = kept
        self.ask = ask
        self.namespaces = kept.settings.namespace_header
        self.sampled = kept.settings.sampled
        self.paced = kept.settings.replay == "paced"
        self.now = kept.now
        self.may_have = kept.levels.may_have
        self.timed = kept.metrics.memory_timed
        self.count = 0
        self.known: dict[bytes, tuple[Origin, str, Identity]] = {}  # bodies of requests that were answered, and their paths

    def __call__(self, call: Call) -> Awaitable[bool | None] | None:
        call.cache = BYPASS
        said = control(call.scope["headers"], self.namespaces) if call.directs_cache else DEFAULT
        identity = self._identity(call, said)
        if identity is not None:
            call.cache = MISS
            call.control = said
            call.identity = identity
            if identity.kind == "embeddings":
                return self._inputs(call, said)
            if said.read:
                key = identity.key
                self.count += 1
                found = self.now(key) if self.count % EVERY else self._timed(key)
                if found is not None and self._fits(call, said, found):
                    return self._serve(call, found)
                if self.may_have(key):
                    return self._ask_store(call, identity, said)
        if said.only_if_cached:
            self._only_if_cached(call, said)
        return None

    def _only_if_cached(self, call: Call, said: Control) -> None:
        """The next step is asked; a look-up by meaning comes before the client is told that nothing is kept."""
        if self.ask is None or call.identity is None:
            _only_if_cached(said)

    def _timed(self, key: bytes) -> Entry | None:
        began = time.perf_counter()
        found = self.now(key)
        self.timed(time.perf_counter() - began)
        return found

    def _identity(self, call: Call, said: Control) -> Identity | None:
        """None: the request passes the cache by."""
        path, body = call.path, call.body
        assert call.target is not None
        origin = call.target.origin
        if path not in KINDS or origin is None or not (said.read or said.write):
            return None
        if said.namespace:
            origin = _within(origin, said.namespace)
        elif len(body) <= MEMOISED and (known := self.known.get(body)) is not None and known[0] is origin and known[1] == path:
            return known[2]
        found = identify_anew(path, body, origin, self.ask)
        return found if isinstance(found, Identity) and (self.sampled or not found.sampled) else None

    def _remember(self, call: Call) -> None:
        """A request that was answered comes again, most likely in the same bytes; one that was not need not be remembered."""
        assert call.target is not None
        if call.identity is None or len(call.body) > MEMOISED or call.target.origin is None or call.control is None:
            return
        if not call.control.namespace:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[call.body] = (call.target.origin, call.path, call.identity)

    def _fits(self, call: Call, said: Control, entry: Entry) -> bool:
        """Whether a kept answer is fresh enough for the client, and tells what it must."""
        if said.max_age is not None and self.kept.clock() - entry.created > said.max_age:
            return False
        return fits(entry, call.stream, call.include_usage)

    def _inputs(self, call: Call, said: Control) -> Awaitable[bool] | None:
        assert call.target is not None
        origin = call.target.origin
        if origin is not None and said.namespace:
            origin = _within(origin, said.namespace)
        found = inputs.read_inputs(call.body, call.path, origin) if origin is not None else None
        if origin is None or found is None:
            call.identity = None
            call.cache = BYPASS
            _only_if_cached(said)
            return None
        return inputs.look_up(call, found, origin, said, self.kept)

    async def _ask_store(self, call: Call, identity: Identity, said: Control) -> bool | None:
        found = await self.kept.get(identity.key)
        if found is not None and self._fits(call, said, found):
            return await self._serve(call, found)
        self._only_if_cached(call, said)
        return None

    async def _serve(self, call: Call, entry: Entry) -> bool:
        assert call.target is not None
        call.cache = HIT
        self._remember(call)
        self.kept.metrics.saved(call.target.name, entry.prompt_tokens, entry.completion_tokens, entry.engine_seconds)
        if call.stream and not entry.events:
            entry = with_stream(entry)
            if call.identity is not None:
                self.kept.put(call.identity.key, entry)  # made once
        if entry.kind == "responses":
            entry = addressed(entry, call.body)
        await send_entry(call, entry, max(0, int(self.kept.clock() - entry.created)), self.paced)
        return True


def _within(origin: Origin, namespace: str) -> Origin:
    return msgspec.structs.replace(origin, namespace=namespace)


def _only_if_cached(said: Control) -> None:
    """The next step is asked, unless the client wants a kept answer or none."""
    if said.only_if_cached:
        raise NotInCache(NOT_KEPT)
