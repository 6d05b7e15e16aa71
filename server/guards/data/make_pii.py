"""Writes pii.jsonl beside it, the same each time: python -m server.guards.data.make_pii

Half of the texts hold personal data, plain or disguised, half none but look as if. Every person, number and key is made up.
A line: {"text", "spans": [[start, end, category]], "class": how it is disguised, "language"}.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.guards.data import disguises, made_up, sentences

SEED = 20261121
WITH, WITHOUT = 1200, 1200
TARGET = Path(__file__).parent / "pii.jsonl"

UNSEEN = "\ufe0f\u20e3\ufe0e"

Line = dict[str, Any]


def lines(seed: int = SEED) -> list[Line]:
    """All texts, in the order of the file."""
    rng = random.Random(seed)
    made = [_with(rng, index) for index in range(WITH)] + [_without(rng) for _ in range(WITHOUT)]
    rng.shuffle(made)
    return made


def _with(rng: random.Random, index: int) -> Line:
    language = "ko" if rng.random() < 0.65 else "en"
    category = rng.choices(*zip(*sentences.WEIGHTS[language].items(), strict=True))[0]
    disguise = rng.choice(disguises.FOR.get(category, disguises.FOR["*"])) if index % 2 else "plain"
    template = rng.choice(sentences.HOLDING[language][category])
    parts: list[tuple[str, str]] = [(template.partition("{}")[0], ""), (made_up.of(category, rng, language), category)]
    parts.append((template.partition("{}")[2], ""))
    if disguise not in disguises.WHOLE and rng.random() < 0.15:  # a second one, as letters and forms have
        other = rng.choice([name for name in ("phone", "email") if name != category])
        joint = rng.choice(["\n", " ", " / ", ", "])
        label = {"phone": {"ko": "연락처: ", "en": "Phone: "}, "email": {"ko": "메일: ", "en": "Mail: "}}[other][language]
        parts += [(joint + label, ""), (made_up.of(other, rng, language), other)]
    return _line(_disguised(parts, disguise, rng), disguise, language)


def _disguised(parts: list[tuple[str, str]], disguise: str, rng: random.Random) -> list[tuple[str, str]]:
    change: Callable[[str, str, random.Random], str] = disguises.VALUES.get(disguise, lambda value, category, rng: value)
    frame = disguises.FRAMES.get(disguise)
    parts = [(change(text, category, rng) if category else text, category) for text, category in parts]
    if frame is not None:
        parts = frame(parts, rng)
    return parts


def _without(rng: random.Random) -> Line:
    language = "ko" if rng.random() < 0.65 else "en"
    kind = rng.choice(sorted(sentences.CLEAN[language]))
    template = rng.choice(sentences.CLEAN[language][kind])
    return _line([(made_up.filled(template, rng), "")], f"clean_{kind}", language)


def _line(parts: list[tuple[str, str]], disguise: str, language: str) -> Line:
    text, spans = "", []
    for part, category in parts:
        if category:
            seen = part.rstrip(UNSEEN)  # what follows the last character that is seen may stay
            spans.append([len(text), len(text) + len(seen), category])
        text += part
    return {"text": text, "spans": spans, "class": disguise, "language": language}


def write(target: Path, made: list[Line]) -> None:
    target.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in made), encoding="utf-8", errors="surrogatepass")


if __name__ == "__main__":
    write(TARGET, lines())
