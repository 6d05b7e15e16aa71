"""A line of batch work through the gateway's own pipeline, in this process: guards, cache, personas, upstreams as for a client."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from server.batch.base import Answer, Line
from server.errors import InternalError, UpstreamError
from server.gateway.call import Call, Headers, Scope

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp

NOT_NOW = frozenset(("engine_unavailable", "engine_failed", "draining"))  # codes of a 503: the line was not looked at
NO_CONNECTION = "connect"
BROKE_OFF = frozenset(("broken", "garbage"))
DIED = b"EngineCore encountered an issue"  # vLLM's EngineDeadError: its server still answers, a moment before it ends too


class PipelineSend:
    """A `Send` over `app`, whose lifespan has begun."""

    def __init__(self, app: GatewayApp) -> None:
        self.pipeline = app.pipeline

    async def __call__(self, line: Line) -> Answer:
        got = _Gathered(line.body)
        scope: Scope = {"type": "http", "method": "POST", "path": line.url, "headers": [], "client": None}
        call = Call(scope, got.receive, got.send, line.url, background=True, watched=True)  # there is no client that could leave
        try:
            await self.pipeline.run(call)
        except Exception:  # raised after the answer had begun
            logging.getLogger("sllm").exception("request %s failed", call.request_id.decode())
            return Answer(500, call.request_id.decode(), InternalError("The answer broke off: the gateway's log has the cause.").body())
        request_id = call.request_id.decode()
        if not got.status:  # its connection was closed on our side: another address, or the end
            return Answer(502, request_id, UpstreamError("The connection to the engine was closed.").body(), loading=True)
        unreachable = got.status in (502, 503) and call.failure == NO_CONNECTION
        return Answer(
            status=got.status,
            request_id=request_id,
            body=got.body,
            retry_after=_retry_after(got.headers) if got.status >= 400 else None,
            loading=unreachable or (got.status == 503 and call.error_code in NOT_NOW),
            broken=(got.status == 502 and call.failure in BROKE_OFF) or (got.status >= 500 and DIED in got.body),
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
        )


class _Gathered:
    """The client's side of one exchange: gives the body once, keeps what comes back."""

    __slots__ = ("asked", "body", "headers", "status")

    def __init__(self, body: bytes) -> None:
        self.asked: bytes | None = body
        self.status = 0
        self.headers: Headers = []
        self.body = b""

    async def receive(self) -> MutableMapping[str, Any]:
        if self.asked is None:
            await asyncio.get_running_loop().create_future()  # nothing more comes, and nobody leaves
        body, self.asked = self.asked, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        elif body := message.get("body"):
            self.body = self.body + body if self.body else body


def _retry_after(headers: Headers) -> float | None:
    """Seconds of `retry-after`, written as a number or as a date (RFC 9110, 10.2.3)."""
    said = next((value.decode("latin-1") for name, value in headers if name == b"retry-after"), None)
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None
