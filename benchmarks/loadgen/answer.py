"""One answer, from its first byte to its verdict: fills the Record of its request.

The clock is vLLM's (`vllm bench serve`): TTFT runs from `sent` to the first event with choices, ITL is the gaps between the events
with choices, latency ends at the last of them. GuideLLM's and AIPerf's first token is `first_content`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from benchmarks.loadgen.events import Event, Usage, decode, error_of, message, said, short
from benchmarks.loadgen.records import Record
from benchmarks.loadgen.sse import Events

if TYPE_CHECKING:
    import asyncio

TIMEOUT, INTERRUPTED = "no answer in time", "interrupted"  # failures that this side made
BODY = 64 * 2**10  # bytes kept of an answer that is no stream


class Answer:
    """Reads the answer to one request. `ended` is called once, when the verdict is in the record."""

    __slots__ = (
        "broken",
        "content_type",
        "done",
        "ended",
        "events",
        "held",
        "holder",
        "last",
        "over",
        "reasoning",
        "record",
        "resent",
        "retry_after",
        "seen",
        "text",
        "timer",
        "times",
    )

    def __init__(self, record: Record, ended: Callable[[Answer], None]) -> None:
        self.record = record
        self.ended = ended
        self.events = Events()
        self.times = record.times
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.held = b""  # the body of an answer that is no stream, as far as it is known
        self.content_type = b""
        self.retry_after = b""
        self.seen = 0  # events, whatever they held
        self.done = False  # [DONE] came
        self.broken = ""  # why the stream is no good, in a few words
        self.last: float | None = None
        self.over = False
        # of the client that carries the request
        self.holder: object | None = None
        self.resent = False
        self.timer: asyncio.TimerHandle | None = None

    def written(self, now: float) -> None:
        self.record.written = now

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.record.status = status
        for name, value in headers:
            if name == b"content-type":
                self.content_type = value
            elif name == b"retry-after":
                self.retry_after = value

    def body(self, now: float, data: bytes) -> None:
        """More of the answer, that arrived at `now` (seconds since the level began)."""
        if self.record.status != 200:
            self._hold(data)
            return
        events = self.events.feed(data)
        if not events:
            if not self.seen:
                self._hold(data)
            return
        for event in events:
            self._event(now, event)

    def end(self, now: float, failure: tuple[str, str] | None) -> None:
        """No more will come. `failure`: (class, words) where the connection or the time ended it; None: the answer is whole HTTP."""
        if self.over:
            return
        self.over = True
        record = self.record
        if record.status == 200 and not self.broken and (rest := self.events.rest()) and _whole(rest):
            self._event(now, rest)
        record.end = now
        record.first = self.times[0] if self.times else None
        record.last = self.last
        record.text = "".join(self.reasoning) + "".join(self.text)
        if wrong := self._verdict(failure):
            record.error, record.detail = wrong[0], short(wrong[1])
        self.ended(self)

    def _hold(self, data: bytes) -> None:
        if len(self.held) < BODY:
            self.held += data

    def _event(self, now: float, data: bytes) -> None:
        self.seen += 1
        if data == b"[DONE]":
            self.done = True
            return
        try:
            event = decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._break("invalid JSON", f"{error}: {data[:200].decode(errors='replace')}")
            return
        choices = event.choices
        if choices:
            self.times.append(now)
            choice = choices[0]
            delta = choice.delta
            if delta is None:
                text = choice.text
            else:
                text = delta.content
                if not text and (reasoning := delta.reasoning or delta.reasoning_content):
                    self.reasoning.append(reasoning)
                    self._content(now)
                elif delta.tool_calls or delta.function_call or delta.refusal:
                    self._content(now)
            if text:
                self.text.append(text)
                self.last = now
                if self.record.first_content is None:
                    self.record.first_content = now
            if choice.finish_reason is not None:
                self.record.finish_reason = choice.finish_reason
        if event.usage is not None:
            self._usage(event.usage)
        elif not choices or event.error is not None:
            self._other(event, data)

    def _content(self, now: float) -> None:
        self.last = now
        if self.record.first_content is None:
            self.record.first_content = now

    def _usage(self, usage: Usage) -> None:
        record = self.record
        record.prompt_tokens, record.completion_tokens = usage.prompt_tokens, usage.completion_tokens
        if usage.prompt_tokens_details is not None:
            record.cached_tokens = usage.prompt_tokens_details.cached_tokens

    def _other(self, event: Event, data: bytes) -> None:
        if event.error is not None:
            self._break("error in the stream", message(event.error) or str(event.error))
        elif event.choices is None and (words := error_of(data)) is not None:
            self._break("error in the stream", words)

    def _break(self, what: str, words: str) -> None:
        """The first thing that is wrong is the one that is told."""
        if not self.broken:
            self.broken, self.record.detail = what, words

    def _verdict(self, failure: tuple[str, str] | None) -> tuple[str, str] | None:
        """(class, words) of what is wrong; None: the answer is whole."""
        record = self.record
        if self.broken:
            return self.broken, record.detail
        if failure is not None and failure[0] in (TIMEOUT, INTERRUPTED):
            return failure
        if record.status == 0:
            return failure or ("no answer", "")
        if record.status != 200:
            words = said(self.held) if self.held else "an empty body"
            after = f" (retry-after: {self.retry_after.decode('latin-1')})" if self.retry_after else ""
            return f"status {record.status}", words[:200] + after if after else words
        if not self.seen and not self.content_type.startswith(b"text/event-stream") and failure is None:
            kind = self.content_type.decode("latin-1") or "no content type"
            return "not a stream", f"{kind}: {said(self.held) if self.held else 'an empty body'}"
        if not self.done and record.finish_reason is None:
            cut = f"{failure[0]}: {failure[1]}" if failure else "the stream ended without finish_reason and without [DONE]"
            return "ended early", f"{cut}, after {len(self.times)} events"
        if not self.times:
            return "no tokens", "the stream held no event with choices"
        return None


def _whole(data: bytes) -> bool:
    """Whether what a stream left open at its end is a whole event after all."""
    if data == b"[DONE]":
        return True
    try:
        decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
