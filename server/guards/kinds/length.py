"""Too long: characters, tokens, turns.

Of a request all texts count together. Of an answer each text counts alone: its characters as they come; its tokens are
counted at its end, and until then it is held back.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import ConfigError
from server.guards.base import Context, Detector, Finding, GuardDown, Judge, Judgement, Piece, Side, Tools, Window
from server.guards.view import View
from server.guardsettings import Length


def make(settings: Length, side: Side, tools: Tools) -> Detector | Judge:
    """Raises ConfigError."""
    if side == "output" and settings.max_turns is not None and settings.max_tokens is None and settings.max_characters is None:
        raise ConfigError(f"guard '{settings.label}': `max_turns` counts messages of requests: write `stage: input`.")
    if side == "output" and settings.max_tokens is None and settings.max_characters is not None:
        return LengthDetector(settings.max_characters)
    return LengthJudge(settings, tools)


class LengthJudge:
    parallel = False
    window: Window = "whole"

    def __init__(self, settings: Length, tools: Tools) -> None:
        self.settings = settings
        self.count = tools.count

    async def open(self) -> None:
        pass

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Raises GuardDown where tokens are to be counted and nobody can."""
        settings = self.settings
        characters = sum(len(piece.text) for piece in pieces)
        if settings.max_characters is not None and characters > settings.max_characters:
            return _long(f"{characters} characters, {settings.max_characters} are allowed")
        if settings.max_turns is not None and context.side == "input":
            turns = _turns(context)
            if turns > settings.max_turns:
                return _long(f"{turns} messages of the user, {settings.max_turns} are allowed")
        if settings.max_tokens is not None and characters > settings.max_tokens / 4:  # no tokenizer makes more than a token of a byte
            tokens = await self._tokens(context.model, "\n".join(piece.text for piece in pieces))
            if tokens > settings.max_tokens:
                return _long(f"{tokens} tokens, {settings.max_tokens} are allowed")
        return Judgement(False)

    async def _tokens(self, model: str, text: str) -> int:
        found = await self.count(model, text) if self.count is not None else None
        if found is None:
            raise GuardDown("no engine counts the tokens")
        return found

    async def close(self) -> None:
        pass


class LengthDetector:
    """Of one answer: the first character that is not allowed is a finding."""

    reach = 1
    context = 0

    def __init__(self, most: int) -> None:
        self.most = most

    def find(self, view: View, start: int = 0) -> list[Finding]:
        end = self.most - view.base
        return [Finding(end, end + 1, "length")] if start <= end < len(view.raw) else []

    def alive(self, view: View, start: int = 0) -> int:
        return len(view.raw)


def _turns(context: Context) -> int:
    for key in ("messages", "input"):
        items = context.request.get(key)
        if isinstance(items, list):
            return sum(1 for item in items if isinstance(item, dict) and item.get("role") == "user")
    return 1


def _long(why: str) -> Judgement:
    return Judgement(True, {"length": 1.0}, why)
