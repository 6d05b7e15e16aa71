"""One file a kind of guard."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.guards.base import Detector, Judge, Side, Tools


SIDELESS = frozenset(("classifier", "similarity", "llm"))  # one model serves both sides


def make(settings: Any, side: Side, tools: Tools) -> Detector | Judge:
    """The guard that a section of `guards:` describes, for one side. Raises ConfigError with what to type."""
    made: Detector | Judge = importlib.import_module(f"server.guards.kinds.{settings.kind}").make(settings, side, tools)
    return made


def is_judge(made: Detector | Judge) -> bool:
    return hasattr(made, "judge")
