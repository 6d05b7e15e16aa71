"""The served model over HTTP: what the OpenAI API says of token ids, logprobs, answers and streams."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

import httpx2
import msgspec

from quantize.errors import EvaluationError
from quantize.evaluation.texts import Question, Text

T = TypeVar("T")


class Tokenized(msgspec.Struct):
    tokens: list[int]
    max_model_len: int


class Listed(msgspec.Struct):
    logprob: float


class PromptChoice(msgspec.Struct):
    prompt_logprobs: list[dict[int, Listed] | None]


class Message(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Message | None = None
    text: str = ""


class Choices(msgspec.Struct, Generic[T]):
    choices: list[T]


@dataclass(frozen=True)
class Place:
    """One position: the logprob of the token that stands there, and the likeliest tokens with theirs, by falling logprob."""

    actual: float
    ids: array[int]
    logprobs: array[float]

    @property
    def listed(self) -> list[tuple[int, float]]:
        return list(zip(self.ids, self.logprobs, strict=True))


@dataclass(frozen=True)
class Timing:
    """One streamed request. Seconds since the first request of its run was sent: `sent`, `first` (the first event that carries
    a token), `last` (the last one that does); `tokens` are output tokens as the engine counts them."""

    sent: float
    first: float
    last: float
    tokens: int


class Client:
    """`model` is the served name. Every method raises EvaluationError in one sentence."""

    def __init__(self, address: str, model: str, chat: bool, name: str):
        self.model, self.chat, self.name = model, chat, name
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        self.http = httpx2.AsyncClient(base_url=address, timeout=httpx2.Timeout(None, connect=10), limits=limits, trust_env=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.http.aclose()

    async def tokenize(self, text: Text) -> tuple[list[int], int]:
        """Token ids, and the longest context in tokens. A chat goes through the chat template where the model has one."""
        body: dict[str, Any] = {"prompt": text.plain}
        if text.messages and self.chat:
            body = {"messages": list(text.messages), "add_generation_prompt": False}
        answer = await self._ask("/tokenize", body, Tokenized)
        return answer.tokens, answer.max_model_len

    async def logprobs(self, tokens: Sequence[int], listed: int) -> list[Place]:
        """What the engine says at every position of `tokens` but the first."""
        body = {"prompt": list(tokens), "max_tokens": 1, "temperature": 0, "prompt_logprobs": listed}
        answer = await self._ask("/v1/completions", body, Choices[PromptChoice])
        found = []
        for token, entry in zip(tokens[1:], answer.choices[0].prompt_logprobs[1:], strict=True):
            pairs = sorted(((number, said.logprob) for number, said in (entry or {}).items()), key=lambda pair: (-pair[1], pair[0]))
            ids, logprobs = array("i", [number for number, _ in pairs]), array("f", [logprob for _, logprob in pairs])
            found.append(Place(dict(pairs)[token], ids, logprobs))
        return found

    async def answer(self, question: Question, limit: int) -> str:
        """What the model answers, greedily, in at most `limit` tokens."""
        common = {"max_tokens": limit, "temperature": 0}
        if not self.chat:
            body = {"prompt": question.prompt, **common}
            return (await self._ask("/v1/completions", body, Choices[Choice])).choices[0].text
        body = {"messages": [{"role": "user", "content": question.prompt}], **common}
        message = (await self._ask("/v1/chat/completions", body, Choices[Choice])).choices[0].message
        return (message.content if message else None) or ""

    async def stream(self, tokens: Sequence[int], length: int, salt: str, began: float) -> Timing:
        """One streamed completion of exactly `length` tokens. `salt` keeps it from being read from the prefix cache."""
        body = {"model": self.model, "prompt": list(tokens), "max_tokens": length, "ignore_eos": True, "temperature": 0}
        body |= {"stream": True, "stream_options": {"include_usage": True}, "cache_salt": salt}
        events, sent, first, last = Events(), time.perf_counter(), 0.0, 0.0
        try:
            async with self.http.stream("POST", "/v1/completions", json=body) as answer:
                if answer.status_code != 200:
                    raise self._refused(answer.status_code, await answer.aread())
                async for data in answer.aiter_raw():
                    if events.feed(data):
                        last = time.perf_counter()
                        first = first or last
        except httpx2.HTTPError as error:
            raise self._broken(error) from None
        if not first or events.tokens is None:
            raise EvaluationError(f"{self.name}: a stream ended before its last token: look into the engine's log")
        return Timing(sent - began, first - began, last - began, events.tokens)

    async def _ask(self, path: str, body: Mapping[str, Any], kind: type[T]) -> T:
        """POST `body` with the model's name; the answer as `kind`."""
        try:
            answer = await self.http.post(path, json={"model": self.model, **body})
        except httpx2.HTTPError as error:
            raise self._broken(error) from None
        if answer.status_code != 200:
            raise self._refused(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:  # such as the NaN of a broken model, which is no JSON
            raise EvaluationError(f"{self.name}: the engine's answer cannot be read: {error}") from None

    def _broken(self, error: Exception) -> EvaluationError:
        return EvaluationError(f"{self.name}: the engine went away while it was measured ({error or type(error).__name__})")

    def _refused(self, status: int, content: bytes) -> EvaluationError:
        try:
            message = msgspec.json.decode(content)["error"]["message"]
        except (msgspec.DecodeError, KeyError, TypeError):
            message = content[:200].decode(errors="replace")
        return EvaluationError(f"{self.name}: the engine answered {status}: {message}")


class Events:
    """A completion's server-sent events as they come. `tokens` is what the last one says of the output's length."""

    def __init__(self) -> None:
        self.rest = b""
        self.tokens: int | None = None

    def feed(self, data: bytes) -> bool:
        """Whether `data` completes an event that carries output: one with a choice. The one with the usage has none."""
        *whole, self.rest = (self.rest + data).split(b"\n\n")
        output = False
        for event in whole:
            if b'"choices":[{' in event:
                output = True
            elif b'"usage":{' in event:
                self.tokens = int(msgspec.json.decode(event.removeprefix(b"data: "))["usage"]["completion_tokens"])
        return output


async def gather(calls: Sequence[Callable[[], Awaitable[T]]], most: int, done: Callable[[int], object] = lambda _: None) -> list[T]:
    """Results of the calls in their order, `most` at a time; the first error ends all. `done(n)` is called after each."""
    slots, finished = asyncio.Semaphore(most), 0

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        nonlocal finished
        async with slots:
            result = await call()
        finished += 1
        done(finished)
        return result

    running = [asyncio.ensure_future(one(call)) for call in calls]
    try:
        return await asyncio.gather(*running)
    except BaseException:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
