"""What a client reads when a guard blocks: in the language of the user's text, by kind and side, or as the guard says.

The texts are in refusals/, one file a language.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import yaml

from server.guards.base import Language, Side

FOLDER = Path(__file__).parent / "refusals"

Message = str | Mapping[Language, str] | None  # a guard's `message:`


def refusal(message: Message, language: Language, guard: str, kind: str, side: Side) -> str:
    """What is said when the guard called `guard` blocks. `message`: its own words, one text or one a language; None: ours.

    A language that its own words lack gets those of the other one. `{guard}` stands for the guard's name.
    """
    said = _own(message, language)
    if said is None:
        ours = _texts(language)[side]
        said = ours.get(kind) or ours["other"]
    return said.replace("{guard}", guard)


def failure(language: Language, guard: str, side: Side) -> str:
    """What is said when a guard that must not fail open could not judge."""
    return _texts(language)["failed"][side].replace("{guard}", guard)


def _own(message: Message, language: Language) -> str | None:
    if isinstance(message, Mapping):
        return message.get(language) or next(iter(message.values()), None)
    return message


@functools.cache
def _texts(language: Language) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    return found
