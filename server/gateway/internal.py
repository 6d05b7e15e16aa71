"""Requests of the gateway's own to its engines: fresh answers for audits, a judge's word, embeddings."""

from __future__ import annotations

import asyncio

import msgspec

from server.errors import RequestError
from server.gateway import persona
from server.gateway.body import fields_of, join
from server.gateway.call import Call
from server.gateway.catalogue import Catalogue
from server.gateway.inflight import Drain
from server.gateway.upstream.connection import Connection
from server.gateway.upstream.errors import Stale, UpstreamFailure

EMBEDDINGS = "/v1/embeddings"
LONGEST = 120.0  # seconds for one answer
COUNTING = 1.0  # seconds for the tokens of a prompt: a client waits


class Internal:
    """Asks once, without trying another upstream: nobody waits for these answers."""

    def __init__(self, catalogue: Catalogue, drain: Drain, while_draining: bool = False) -> None:
        """`while_draining`: for requests that wait for the answer, and are themselves waited for."""
        self.catalogue = catalogue
        self.drain = drain
        self.while_draining = while_draining

    async def generate(self, name: str, path: str, body: bytes) -> bytes | None:
        """The whole answer of the served `name` to `body`, which is what its engine gets; None where it has none. Never raises."""
        target = self.catalogue.targets.get(name)
        if target is None or (self.drain.active and not self.while_draining) or not target.engine.ready or target.engine.balancer is None:
            return None
        upstream = target.engine.balancer.pick()
        if upstream is None:
            return None
        try:
            body = whole(body)
        except msgspec.DecodeError:
            return None
        head = b"%bcontent-length: %d\r\n\r\n" % (upstream.head(path), len(body))
        upstream.outstanding += 1
        connection: Connection | None = None
        try:
            async with asyncio.timeout(LONGEST):
                for fresh in (False, True):
                    connection = await upstream.pool.acquire(fresh)
                    try:
                        await connection.exchange(head, body)
                        break
                    except Stale:
                        upstream.pool.release(connection)
                        connection = None
                if connection is None:
                    return None
                answer = await connection.rest()
                return answer if connection.status == 200 else None
        except (UpstreamFailure, TimeoutError):
            return None
        finally:
            upstream.outstanding -= 1
            if connection is not None:
                upstream.pool.release(connection)

    async def ask(self, name: str, path: str, body: bytes) -> bytes | None:
        """As `generate`, of a request as a client would send it: `name` may be a persona's."""
        target = self.catalogue.targets.get(name)
        if target is not None and target.persona is not None:
            try:
                body = persona.apply(target.persona, target.name, path, body)
            except RequestError:
                return None
        return await self.generate(name, path, body)

    def idle(self, name: str) -> bool:
        """Whether this worker has nothing under way at the engine of `name`."""
        target = self.catalogue.targets.get(name)
        return target is None or not any(upstream.outstanding for upstream in target.engine.upstreams)


class _Tokens(msgspec.Struct):
    count: int


_PROMPT = ("model", "messages", "prompt", "tools", "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "documents")


async def prompt_tokens(internal: Internal, call: Call) -> int | None:
    """How many tokens the request's prompt has, by the engine's own tokenizer and template; None: it does not say."""
    assert call.target is not None
    fields = fields_of(call.body)
    body = join({name: fields[name] for name in _PROMPT if name in fields})
    try:
        async with asyncio.timeout(COUNTING):
            return tokens_of(await internal.generate(call.target.name, "/tokenize", body))
    except TimeoutError:
        return None


def tokens_of(answer: bytes | None) -> int | None:
    """What /tokenize counted."""
    try:
        return msgspec.json.decode(answer, type=_Tokens).count if answer is not None else None
    except msgspec.DecodeError:
        return None


def whole(body: bytes) -> bytes:
    """A request for the same answer in one piece. Raises msgspec.DecodeError."""
    fields = fields_of(body)
    fields.pop("stream", None)
    fields.pop("stream_options", None)
    return join(fields)
