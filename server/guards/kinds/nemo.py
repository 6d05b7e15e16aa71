"""An existing NeMo Guardrails configuration: its input and output rails as a judge.

An optional extra (requirements/nemo.txt). Only the rails run, through the library's own `check_async`; nothing is
generated. A rail that changes the text (masking, say) counts as found: what it would have written is not taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.errors import ConfigError, StartError
from server.guards.base import Context, GuardDown, Judgement, Piece, Side, Tools, Window
from server.guards.recent import Recent
from server.guardsettings import Nemo

CATEGORY = "nemo"
INSTALL = "pip install --no-deps -r requirements/nemo.txt"
AT_ONCE = 4  # texts that its rails judge at the same time


def make(settings: Nemo, side: Side, tools: Tools) -> NemoJudge:
    """Raises ConfigError for a folder without a configuration, or without rails for this side."""
    folder = Path(settings.folder).expanduser()
    if not any((folder / name).is_file() for name in ("config.yml", "config.yaml")):
        raise ConfigError(f"guard '{settings.label}': `folder: {folder}` has no config.yml: name a NeMo Guardrails configuration.")
    return NemoJudge(settings, folder, side)


class NemoJudge:
    window: Window = "sentences"
    parallel = False

    def __init__(self, settings: Nemo, folder: Path, side: Side) -> None:
        self.settings = settings
        self.folder = folder
        self.side = side
        self._rails: Any = None
        self._kinds: list[Any] = []
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._recent: Recent[tuple[bool, str]] = Recent()

    async def open(self) -> None:
        """Loads the configuration. Raises StartError where the library or a rail of this side is missing."""
        try:
            from nemoguardrails import LLMRails, RailsConfig
            from nemoguardrails.rails.llm.options import RailType
        except ImportError as error:
            raise StartError(
                f"guard '{self.settings.label}' needs NeMo Guardrails, and {error.name} is not installed: {INSTALL}."
            ) from None
        try:
            config = await asyncio.to_thread(RailsConfig.from_path, str(self.folder))
            self._rails = LLMRails(config)  # it binds itself to this loop
        except Exception as error:  # configurations run code of their own
            raise StartError(f"guard '{self.settings.label}': NeMo Guardrails refuses {self.folder}: {str(error)[:300]}") from None
        if not getattr(config.rails, self.side).flows:
            raise StartError(
                f"guard '{self.settings.label}': {self.folder} has no {self.side} rails: set `stage` to what it has, "
                f"or write rails.{self.side}.flows in its config.yml."
            )
        self._kinds = [RailType(self.side)]

    async def close(self) -> None:
        self._rails = None

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Every text by itself. Raises whatever a rail raises."""
        for piece, (found, rail) in zip(pieces, await asyncio.gather(*(self._check(piece) for piece in pieces)), strict=True):
            if found:
                return Judgement(True, {CATEGORY: 1.0}, f"rail: {rail}", piece.place)
        return Judgement(False, {CATEGORY: 0.0})

    async def _check(self, piece: Piece) -> tuple[bool, str]:
        before = piece.before[-self.settings.window :] if self.settings.window else ""
        text = before + piece.text
        if not text.strip():
            return False, ""
        known = self._recent.get(text)
        if known is not None:
            return known
        if self._rails is None:
            raise GuardDown("it is closed")
        role = "user" if self.side == "input" else "assistant"
        async with self._turns:
            result = await self._rails.check_async([{"role": role, "content": text}], rail_types=self._kinds)
        status = str(getattr(result.status, "value", result.status))
        said = (status != "passed", result.rail or status)
        self._recent.put(said, text)
        return said
