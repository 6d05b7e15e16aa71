"""A judge: a served model with a policy in words, or a guard model, whose verdict is read from the token's probabilities.

Every text is judged by itself, an answer together with what it answers. A text over LONGEST characters is judged in
windows, and what one window says holds for all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from server import remote
from server.errors import ConfigError
from server.guards.base import Ask, Context, GuardDown, Judgement, Piece, Side, Tools, Window
from server.guards.reading import Reading, read
from server.guards.recent import Recent
from server.guards.template import Template, load
from server.guardsettings import Llm
from server.nearest import did_you_mean

LONGEST = 3000  # characters of one window
OVERLAP = 200  # characters that two windows share
MOST = 64  # windows of one request; more is GuardDown
AT_ONCE = 8  # questions to the model
ASKED = 2000  # characters of the question, where an answer is judged

_Send = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[bytes]]  # request, what only vLLM knows -> the answer


def make(settings: Llm, side: Side, tools: Tools) -> LlmJudge:
    """Raises ConfigError for a template that cannot be read, a model that is not served, a key that is not set."""
    template = load(settings.template)
    if settings.url is not None:
        return LlmJudge(settings, template, Remote(settings.url, settings.key, settings.label, settings.timeout))
    if tools.served and settings.model not in tools.served:
        raise ConfigError(
            f"guard '{settings.label}': no model '{settings.model}' is served; {did_you_mean(settings.model, tools.served)} "
            "Or name another server with `url`."
        )
    return LlmJudge(settings, template, Served(settings.model, tools.ask))


class LlmJudge:
    window: Window = "sentences"

    def __init__(self, settings: Llm, template: Template, server: Served | Remote) -> None:
        self.settings = settings
        self.template = template
        self.server = server
        self.parallel = settings.parallel
        self._recent: Recent[Reading] = Recent()

    async def open(self) -> None:
        await self.server.open()

    async def close(self) -> None:
        await self.server.close()

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Flagged where one window of one piece is. Raises GuardDown where none is and some could not be judged."""
        questions: list[tuple[Piece, list[dict[str, str]]]] = []
        asked = _asked(context.request) if context.side == "output" else ""
        for piece in pieces:
            if piece.role == "user":
                asked = piece.text
            if not piece.text.strip():
                continue
            before = piece.before[-self.settings.window :] if self.settings.window else ""
            questions += [(piece, self._messages(piece.role, asked, text)) for text in windows(before + piece.text)]
            if len(questions) > MOST:
                raise GuardDown(f"the texts are too long: more than {MOST} windows of {LONGEST} characters")
        turns = asyncio.Semaphore(AT_ONCE)
        readings = await asyncio.gather(*(self._read(messages, turns) for _, messages in questions), return_exceptions=True)
        return self._sum([piece for piece, _ in questions], readings)

    def _messages(self, role: str, asked: str, text: str) -> list[dict[str, str]]:
        if self.template.conversation:
            return self.template.talk(role, asked[-ASKED:], text)
        return self.template.prompt(self.settings.policy, role, text)

    def _sum(self, pieces: Sequence[Piece], readings: Sequence[Reading | BaseException]) -> Judgement:
        categories: dict[str, float] = {}
        worst, place, failure = 0.0, "", None
        for piece, reading in zip(pieces, readings, strict=True):
            if isinstance(reading, BaseException):
                failure = failure or reading
                continue
            for name, score in reading.categories.items():
                categories[name] = max(score, categories.get(name, 0.0))
            if reading.unsafe > worst:
                worst, place = reading.unsafe, piece.place
        flagged = worst >= self.settings.threshold
        if failure is not None and not flagged:
            raise failure
        why = f"{self.settings.model} says unsafe with probability {worst:.2f}"
        return Judgement(flagged, categories, why if flagged else "", place if flagged else "")

    async def _read(self, messages: list[dict[str, str]], turns: asyncio.Semaphore) -> Reading:
        key = json.dumps(messages, ensure_ascii=False)
        known = self._recent.get(key)
        if known is not None:
            return known
        async with turns:
            request = {"model": self.settings.model, "messages": messages, **self.template.request, "logprobs": True, "top_logprobs": 20}
            request.setdefault("max_tokens", self.settings.max_tokens)
            reading = read(self.template, await self.server.send(request, self.template.extras))
            if reading is None and request["max_tokens"] < self.settings.max_tokens:  # it does not begin with the verdict: let it speak
                request["max_tokens"] = self.settings.max_tokens
                reading = read(self.template, await self.server.send(request, self.template.extras))
        if reading is None:
            raise GuardDown(f"{self.settings.model} answers with no verdict: is template '{self.settings.template}' for this model?")
        self._recent.put(reading, key)
        return reading


class Served:
    """A model that this gateway serves."""

    def __init__(self, model: str, ask: Ask | None) -> None:
        self.model = model
        self.ask = ask

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
        if self.ask is None:
            raise GuardDown(f"{self.model} is asked through the gateway, which does not run here")
        answer = await self.ask(self.model, "/v1/chat/completions", json.dumps({**request, **extras}, ensure_ascii=False).encode())
        if answer is None:
            raise GuardDown(f"{self.model} does not answer")
        return answer


class Remote:
    """A model of another server, by its base URL."""

    def __init__(self, url: str, key_variable: str | None, guard: str, timeout: float) -> None:
        self.server = remote.Remote(chat_url(url, guard), key_variable, f"guard '{guard}': `key`", timeout)
        self.leave_out: tuple[str, ...] = ()  # what the server refused once

    async def open(self) -> None:
        await self.server.open()

    async def close(self) -> None:
        await self.server.close()

    async def send(self, request: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
        """What the server refuses with a 400 is left out: first vLLM's own parameters, then the probabilities."""
        steps = [(), tuple(extras), (*extras, "logprobs", "top_logprobs")]
        for leave_out in [step for step in dict.fromkeys(steps) if len(step) >= len(self.leave_out)]:
            body = {key: value for key, value in {**request, **extras}.items() if key not in leave_out}
            status, content = await self._post(json.dumps(body, ensure_ascii=False).encode())
            if status == 200:
                self.leave_out = leave_out
                return content
            if status not in (400, 422):
                break
        raise GuardDown(f"the judge's server answered {status}")

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        try:
            return await self.server.post(body)
        except remote.Unreachable as error:
            raise GuardDown(f"the judge's server does not answer ({error})") from None


def chat_url(url: str, guard: str) -> str:
    """The address of /v1/chat/completions under the base `url`. Raises ConfigError for what is no http URL."""
    found = remote.address(url, "/chat/completions")
    if found is None:
        raise ConfigError(f"guard '{guard}': '{url}' is no address: write `url: http://host:port/v1`.")
    return found


def windows(text: str) -> list[str]:
    """The text in windows of LONGEST characters, each with the end of the one before."""
    if len(text) <= LONGEST:
        return [text]
    step = LONGEST - OVERLAP
    return [text[start : start + LONGEST] for start in range(0, len(text) - OVERLAP, step)]


def _asked(request: Mapping[str, Any]) -> str:
    """The last text of the user in a chat, completions or responses request; "" where there is none."""
    turns = request.get("messages") or request.get("input") or request.get("prompt") or ""
    if isinstance(turns, str):
        return turns
    if not isinstance(turns, list):
        return ""
    for turn in reversed(turns):
        if isinstance(turn, str):
            return turn
        if isinstance(turn, dict) and turn.get("role") == "user":
            return _text(turn.get("content"))
    return ""


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""
