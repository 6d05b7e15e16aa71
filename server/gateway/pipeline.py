"""A request's life: one list of steps, read from top to bottom.

A step is a callable that takes the Call: a plain function, or a coroutine function where it must wait. A step raises
RequestError to refuse, and returns True when it has answered, which ends the list. `always` runs after either.
Steps that the configuration leaves out are not in the list, so they cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from server.errors import InternalError, RequestError, UpstreamTimeout
from server.gateway.answers import CLOSE, headers_of, reply
from server.gateway.call import Call, ClientGone, Receive, Scope, Send
from server.gateway.inflight import InFlight
from server.gateway.replay import BYPASS
from server.gateway.steps.admit import Admit
from server.gateway.steps.coalesce import Coalesce
from server.gateway.steps.forward import Forward
from server.gateway.steps.lookup import LookUp
from server.gateway.steps.parse import Parse
from server.gateway.steps.record import Record
from server.gateway.steps.resolve import Resolve
from server.gateway.steps.store import Store

if TYPE_CHECKING:
    from server.gateway.steps.guard import Guard
    from server.gateway.steps.similar import Similar

Step = Callable[[Call], Awaitable[bool | None] | bool | None]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


class Pipeline:
    """The steps, composed once at start-up."""

    def __init__(
        self,
        admit: Admit,
        parse: Parse,
        resolve: Resolve,
        guard: Guard | None,
        look_up: LookUp | None,
        similar: Similar | None,
        coalesce: Coalesce | None,
        forward: Forward,
        store: Store | None,
        record: Record,
        inflight: InFlight,
    ) -> None:
        """None: the configuration leaves the step out."""
        steps: tuple[Step | None, ...] = (
            admit,  # not while draining
            parse,  # the body as bytes, and the few fields that decide
            resolve,  # the model's name -> engine, adapter, persona
            guard,  # what comes in is judged; what goes out from here on is too
            look_up,  # an answer that was kept
            similar,  # one to a question that means the same
            coalesce,  # one that is being made
            forward,  # bytes to the engine, bytes back
        )
        always: tuple[Callable[[Call], None] | None, ...] = (
            store,  # a complete answer is kept; those who wait for one that failed are told
            guard.end if guard is not None else None,  # no judge goes on
            record,  # metrics and the log
        )
        self.steps: Sequence[Step] = tuple(step for step in steps if step is not None)
        self.always: Sequence[Callable[[Call], None]] = tuple(step for step in always if step is not None)
        self.caches = look_up is not None
        self.inflight = inflight.calls

    def endpoint(self, path: str) -> Endpoint:
        """The ASGI endpoint of the route `path`."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await self.run(Call(scope, receive, send, path))

        return serve

    async def run(self, call: Call) -> None:
        self.inflight.add(call)
        try:
            for step in self.steps:
                done = step(call)
                if done is not None and done is not True and done is not False:
                    done = await done
                if done:
                    break
        except RequestError as error:
            if call.flight is not None:
                call.flight.fail(error, final=isinstance(error, UpstreamTimeout))
            await self._refuse(call, error)
        except ClientGone:
            if call.refused is not None and not call.started:
                await self._refuse(call, call.refused)
            else:
                call.gone = not call.blocked  # it is a guard that ended the engine's work
        except Exception:
            logging.getLogger("sllm").exception("request %s failed", call.request_id.decode())
            await self._refuse(
                call, InternalError(f"The gateway failed on this request; its log has the cause under {call.request_id.decode()}.")
            )
        finally:
            self.inflight.discard(call)
            for last in self.always:
                last(call)

    async def _refuse(self, call: Call, error: RequestError) -> None:
        call.error_code = error.code or error.type
        if call.started:
            raise error  # the step that started the answer ends it; this is for what it did not foresee
        call.started = True
        call.status = error.status
        headers = [*headers_of(error), (b"x-request-id", call.request_id)]
        if call.target is not None:
            headers.append(call.target.header)
        if self.caches:
            headers.append(call.cache or BYPASS)
        if error.status in (408, 413) or call.closing:
            headers.append(CLOSE)
        await reply(call.send, error.status, error.body(), headers)
