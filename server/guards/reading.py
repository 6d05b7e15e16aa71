"""What a judge model's answer says: a probability, read from the verdict token's alternatives, and categories."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.guards.base import GuardDown
from server.guards.template import Template

FLOOR = 0.05  # of the first token's probability must be on verdicts, else the model answers something else
FAINT = 0.005  # a category that is less likely is left out
_THOUGHTS = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
_EDGES = " \t\r\n.,:;!?\"'`*()[]。"


@dataclass(frozen=True, slots=True)
class Reading:
    unsafe: float  # probability, 0 to 1
    categories: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    tokens: list[str]
    tops: list[dict[str, float]]  # a token's alternatives, itself too: their probabilities


def read(template: Template, body: bytes) -> Reading | None:
    """What the chat completion `body` says; None: no verdict is in it. Raises GuardDown for what is no chat completion."""
    answer = _decode(body)
    start = _THOUGHTS.match(answer.text)
    skipped = start.end() if start else 0
    if template.first_token and answer.tops and not skipped:
        reading = _weigh(template, answer.tops[0], floor=FLOOR)
        if reading is not None:
            return reading
    found = template.verdict.search(answer.text[skipped:])
    side = _side(template, found.group(1)) if found else None
    if found is None or side is None:
        return None
    after = answer.text[skipped + found.end(1) :]
    at = _token_at(answer.tokens, skipped + found.start(1))
    weighed = _weigh(template, answer.tops[at], floor=0.0) if at is not None and at < len(answer.tops) else None
    unsafe = weighed.unsafe if weighed else {"safe": 0.0, "half": 0.5, "unsafe": 1.0}[side]
    codes = re.findall(template.code, found.group(1) + after) if template.code else []
    named = {template.categories[code]: unsafe for code in codes if code in template.categories}
    return Reading(unsafe, named or {template.category: unsafe})


def _decode(body: bytes) -> _Answer:
    try:
        choice: Any = json.loads(body)["choices"][0]
        text = choice["message"]["content"] or ""
        entries = (choice.get("logprobs") or {}).get("content") or []
        tokens = [str(entry["token"]) for entry in entries]
        tops = [
            {str(one["token"]): math.exp(min(0.0, float(one["logprob"]))) for one in [entry, *(entry.get("top_logprobs") or [])]}
            for entry in entries
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError):
        raise GuardDown("the judge's answer is no chat completion") from None
    if not isinstance(text, str):
        raise GuardDown("the judge's answer has no text")
    return _Answer("".join(tokens) if tokens else text, tokens, tops)


def _weigh(template: Template, top: Mapping[str, float], floor: float) -> Reading | None:
    """The share of `unsafe` in what the alternatives put on verdicts; None where that is less than `floor`, or nothing."""
    mass = {"safe": 0.0, "half": 0.0, "unsafe": 0.0}
    coded: dict[str, float] = {}
    for token, probability in top.items():
        side = _side(template, token)
        if side is None:
            continue
        mass[side] += probability
        code = template.code.search(token) if template.code and side == "unsafe" else None
        if code and code.group(1) in template.categories:
            name = template.categories[code.group(1)]
            coded[name] = coded.get(name, 0.0) + probability
    total = sum(mass.values())
    if total <= floor:
        return None
    unsafe = (mass["unsafe"] + mass["half"] / 2) / total
    named = {name: share / total for name, share in coded.items() if share / total >= FAINT}
    return Reading(unsafe, named or {template.category: unsafe})


def _side(template: Template, token: str) -> str | None:
    """Whose word the token is, or the beginning of; None: nobody's, or not of one alone."""
    word = token.strip(_EDGES).casefold()
    if not word:
        return None
    sides = {"safe": template.safe, "half": template.half, "unsafe": template.unsafe}
    fits = [side for side, words in sides.items() if any(_is(word, known.casefold()) for known in words)]
    return fits[0] if len(fits) == 1 else None


def _is(word: str, known: str) -> bool:
    stem = known.removesuffix("*")
    if word == stem or (stem != known and word.startswith(stem)):
        return True
    return stem.startswith(word) and (len(word) > 1 or not word.isascii())  # "Un" of "Unsafe", "아" of "아니요"


def _token_at(tokens: list[str], offset: int) -> int | None:
    """The token that the character `offset` of the joined tokens is in."""
    end = 0
    for number, token in enumerate(tokens):
        end += len(token)
        if offset < end:
            return number
    return None
