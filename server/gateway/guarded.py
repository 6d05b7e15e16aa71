"""What goes out to the client of a guarded request: the answer with every text in it judged, whole or as it streams.

It stands in for the request's `send`, so whatever answers (an engine, the cache, a generation that somebody else leads)
passes through here. An answer that was kept was judged by this very policy, which is part of its key, and found clean:
it is not judged again. An answer in which a guard found something is not kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping, Sequence
from typing import Any

from server.cache.shapes import entry_from_whole, read_stream, stream_of, with_stream
from server.errors import GuardError, RequestError
from server.gateway.answers import CLOSE, JSON, headers_of
from server.gateway.call import EVENT_STREAM, Call
from server.gateway.internal import Internal, prompt_tokens
from server.gateway.reask import again
from server.gateway.replay import HIT, SEMANTIC
from server.gateway.sse import error_event
from server.gateway.upstream.errors import Left
from server.guards.careful import GuardFailed
from server.guards.passage import Kind, Open, Passage, Reask
from server.guards.screening import Screening, guard_error
from server.guards.shapes import Screen, Unreadable, choices_of, whole

Message = MutableMapping[str, Any]
ANSWERS = frozenset(("/v1/chat/completions", "/v1/completions", "/v1/responses"))
MOST_HELD = 64 * 2**20  # bytes of an answer that is judged as a whole
LAST = b"data: [DONE]"
NO_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}\n\n'
UNREADABLE = "The engine's answer could not be read, so its guards could not judge it: try again; the gateway's log says more."


class Refused:
    """A Passage that shows nothing."""

    blocked = False
    released = 0

    def __init__(self, refusal: str) -> None:
        self.refusal = refusal
        self.cuts: Sequence[tuple[int, int]] = ()

    async def feed(self, text: str) -> str:
        self.blocked = True
        return ""

    async def finish(self) -> str:
        self.blocked = True
        return ""


class Guarded:
    def __init__(self, call: Call, screening: Screening, internal: Internal) -> None:
        self.call = call
        self.screening = screening
        self.internal = internal
        self.out = call.send
        self.start: Message | None = None  # not sent yet
        self.screen: Screen | None = None
        self.parts: list[bytes] = []
        self.held = 0
        self.mode = ""  # "pass", "whole", "stream", "ended"
        self.events = False  # the answer is an event stream

    async def send(self, message: Message) -> None:
        if self.mode == "ended":
            return
        if message["type"] == "http.response.start":
            self.start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        try:
            if not self.mode:
                await self._begin()
            if self.mode == "pass":
                await self._send(body, more)
            elif self.mode == "whole":
                await self._gather(body, more)
            else:
                await self._stream(body, more)
        except RequestError as error:
            await self._fail(error)
        except GuardFailed as failed:
            await self._fail(guard_error(failed, self.screening.language, "output"))
        except Unreadable as wrong:
            logging.getLogger("sllm").error("request %s: unreadable answer: %s", self.call.request_id.decode(), wrong)
            await self._fail(GuardError(UNREADABLE))

    async def _begin(self) -> None:
        """Choose how the answer is judged, once the request's own judges have spoken. Raises RequestError."""
        assert self.start is not None
        call, screening = self.call, self.screening
        if self.start["status"] >= 400:
            self.mode = "pass"  # an error: of the engine's, or our own
            return
        await screening.settled()
        judged = bool(screening.policy.output) and call.cache not in (HIT, SEMANTIC)
        if call.path not in ANSWERS or not (judged or screening.vault):
            self.mode = "pass"
            return
        self.events = any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in self.start["headers"])
        asks_again = judged and any(guard.settings.action == "reask" for guard in screening.policy.output)
        if self.events and not asks_again:
            self.mode = "stream"
            many = choices_of(call.path, screening.data)
            self.screen = Screen(call.path, self._passages(judged), call.include_usage, many, self._prompt_tokens)
        else:
            self.mode = "whole"

    def _passages(self, judged: bool) -> Open:
        def open_(place: str, kind: Kind) -> Passage:
            return self.screening.passage(place, kind, judged)

        return open_

    async def _prompt_tokens(self) -> int | None:
        return await prompt_tokens(self.internal, self.call)

    # as it streams

    async def _stream(self, body: bytes, more: bool) -> None:
        assert self.screen is not None
        out = await self.screen.feed(body) if body else b""
        if not more and not self.screen.ended:
            out += await self.screen.finish()
        if self.screen.blocked:
            self._not_kept()
        if self.screen.ended or not more:
            self._check_kept()
            self.call.finished = True
            await self._send(out, False)
            if self.screen.ended and more:
                self._stop()
        elif out:
            await self._send(out, True)

    # as a whole

    async def _gather(self, body: bytes, more: bool) -> None:
        self.parts.append(body)
        self.held += len(body)
        if self.held > MOST_HELD:
            raise GuardError("The answer is too long to be judged as a whole: ask for less.")
        if more:
            return
        judged = self.call.cache not in (HIT, SEMANTIC)
        data = b"".join(self.parts)
        if self.events:
            data = self._whole_of(data)
        shown, data, passages = await self._whole(data, judged)
        self._check_kept()
        if self.events:
            shown = self._events_of(shown) or await self._screened(data, passages)
        assert self.start is not None
        headers = [(name, value) for name, value in self.start["headers"] if name != b"content-length"]
        self.start = {**self.start, "headers": [*headers, (b"content-length", b"%d" % len(shown))]}
        await self._send(shown, False)

    async def _whole(self, data: bytes, judged: bool) -> tuple[bytes, bytes, Open]:
        """(the answer as it may be shown, as the engine made it, what its texts passed through); made again where a guard asks for it."""
        asked = 0
        request = self.call.body
        while True:
            passages = self._passages(judged)
            try:
                return await whole(self.call.path, data, passages), data, passages
            except Reask as wanted:
                limit = getattr(wanted.guard.settings, "reasks", 0)
                self._not_kept()
                made = None
                if asked < limit:
                    asked += 1
                    request, made = await again(self.internal, self.call, request, data, wanted, self.screening.language)
                if made is None:
                    passages = self._refusing(wanted)
                    return await whole(self.call.path, data, passages), data, passages
                data = made

    def _refusing(self, wanted: Reask) -> Open:
        """Passages of an answer that stays wrong however often it is asked for."""
        refusal = self.screening.refusal(wanted.guard)
        return lambda place, kind: Refused(refusal)

    def _whole_of(self, data: bytes) -> bytes:
        """The whole answer of a stream. Raises Unreadable."""
        recorded = read_stream(self.call.path, data)
        if recorded is not None and not recorded.body:  # it does not tell its tokens, and a whole answer must
            recorded = read_stream(self.call.path, data.replace(LAST, NO_USAGE + LAST))
        if recorded is None or not recorded.body:
            raise Unreadable("a stream that is not complete")
        return recorded.body

    def _events_of(self, data: bytes) -> bytes:
        """A whole answer as a stream; b"" where it is none that ended by itself."""
        entry = entry_from_whole(self.call.path, data, created=0.0, model="", namespace="", engine_seconds=0.0)
        if entry is None:
            return b""
        return stream_of(with_stream(entry), self.call.include_usage)

    async def _screened(self, data: bytes, passages: Open) -> bytes:
        """The stream of an answer that is blocked."""
        events = self._events_of(data)
        if not events:
            raise Unreadable("an answer that is not complete")
        screen = Screen(self.call.path, passages, self.call.include_usage, choices_of(self.call.path, self.screening.data))
        out = await screen.feed(events)
        return out if screen.ended else out + await screen.finish()

    # both

    async def _send(self, body: bytes, more: bool) -> None:
        if self.start is not None:
            start, self.start = self.start, None
            self.call.first = time.perf_counter()
            headers = start["headers"]
            if self.mode == "stream":
                headers = [(name, value) for name, value in headers if name != b"content-length"]
            await self.out({**start, "headers": [*headers, self._header()]})
        if not more:
            self.mode = "ended"
        await self.out({"type": "http.response.body", "body": body, "more_body": more})

    def _header(self) -> tuple[bytes, bytes]:
        said = dict(self.screening.trail.said)
        if self.mode == "stream" and self.screen is not None:
            for guard in self.screening.policy.output:
                said[guard.name] = "stream" if said.get(guard.name, "pass") == "pass" else said[guard.name]  # type: ignore[assignment]
        elif self.call.cache in (HIT, SEMANTIC):
            for guard in self.screening.policy.output:
                said.setdefault(guard.name, "pass")
        return b"x-sllm-guards", ",".join(f"{name}={word}" for name, word in said.items()).encode("ascii", "replace")

    async def _fail(self, error: RequestError) -> None:
        """The answer cannot be shown: an error in its place, or where it has got to."""
        call = self.call
        self._not_kept()
        call.error_code = error.code
        if self.start is None:  # it has begun
            self.mode = "ended"
            call.finished = True
            await self.out({"type": "http.response.body", "body": error_event(error) if self.events else b""})
            self._stop()
            return
        body = error.body()
        kept = [(name, value) for name, value in self.start["headers"] if name.startswith(b"x-")]
        call.status = error.status
        call.finished = True
        self.start = {
            "type": "http.response.start",
            "status": error.status,
            "headers": [JSON, (b"content-length", b"%d" % len(body)), *headers_of(error), *kept, *([CLOSE] if call.closing else [])],
        }
        self.mode = "pass"
        await self._send(body, False)
        self._stop()

    def _check_kept(self) -> None:
        """What a guard has found something in is judged again each time."""
        if "output" in self.screening.trail.sides:
            self._not_kept()

    def _not_kept(self) -> None:
        self.call.blocked = True
        if self.call.flight is not None:
            self.call.flight.kept = False

    def watch_judges(self) -> None:
        """A judge beside the generation that says no ends it before the engine has said its first word."""
        if self.screening.beside is not None:
            self.screening.beside.add_done_callback(self._judged)

    def _judged(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, GuardFailed):
            error = guard_error(error, self.screening.language, "input")
        if isinstance(error, RequestError) and not self.call.started:
            self.call.refused = error
            self._not_kept()
            self._stop()

    def _stop(self) -> None:
        """End the engine's work, if nobody else waits for it."""
        call = self.call
        call.blocked = True
        call.error_code = call.error_code or "content_filter"
        if call.follower is not None:
            call.follower.leave()
        elif call.flight is not None:
            call.flight.leader_left(self._abandon)
        else:
            self._abandon()

    def _abandon(self) -> None:
        if self.call.connection is not None:
            self.call.connection.abort(Left("a guard ended the answer"))
