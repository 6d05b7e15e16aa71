"""One answer, streamed: its pieces as they come, its timing, and what went wrong in a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import openai

Message = dict[str, str]


@dataclass
class Answer:
    """What has come so far. Times are seconds since the request was sent."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    completion_tokens: int | None = None
    ttft: float | None = None
    seconds: float = 0.0

    @property
    def started(self) -> bool:
        return bool(self.text or self.reasoning)

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens after the first, over the time since the first (1 / TPOT)."""
        if not self.completion_tokens or self.completion_tokens < 2 or self.ttft is None or self.seconds <= self.ttft:
            return None
        return (self.completion_tokens - 1) / (self.seconds - self.ttft)


def stream(
    client: openai.OpenAI, model: str, messages: Sequence[Message], answer: Answer, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Literal["text", "reasoning"], str]]:
    """The pieces of an answer as they come; `answer` is filled on the way, so that an interrupted one keeps what came.

    Raises openai.OpenAIError.
    """
    start = clock()
    body: Any = messages
    with client.chat.completions.create(model=model, messages=body, stream=True, stream_options={"include_usage": True}) as chunks:
        for chunk in chunks:
            answer.seconds = clock() - start
            if chunk.usage:
                answer.completion_tokens = chunk.usage.completion_tokens
            for choice in chunk.choices[:1]:
                delta = choice.delta
                answer.finish_reason = choice.finish_reason or answer.finish_reason
                thought = getattr(delta, "reasoning", None) or getattr(delta, "reasoning_content", None) or ""
                said = delta.content or delta.refusal or ""
                if (thought or said) and answer.ttft is None:
                    answer.ttft = answer.seconds
                if thought:
                    answer.reasoning += thought
                    yield "reasoning", thought
                if said:
                    answer.text += said
                    yield "text", said


def explain(error: openai.OpenAIError, url: str, *, begun: bool = False) -> str:
    """`error` as one sentence that says what to do; `begun`: pieces of the answer had come."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return f"{url} did not answer in time"
    if isinstance(error, openai.APIConnectionError) and begun:
        return "the connection to the server was lost"
    if isinstance(error, openai.APIConnectionError):
        return f"no server answers at {url}: start one with `sllm serve`, or give its address with --url"
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"{url} wants a key: set OPENAI_API_KEY ({error.message})"
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or getattr(error, "message", None) or error)


def retry_after(error: openai.OpenAIError) -> float | None:
    """Seconds to wait before the engine that is still loading is asked again; None where waiting does not help."""
    import openai

    if not isinstance(error, openai.APIStatusError) or error.status_code != 503 or error.code == "engine_failed":
        return None
    try:
        return min(max(float(error.response.headers["retry-after"]), 0.5), 5.0)
    except (KeyError, ValueError):
        return None
