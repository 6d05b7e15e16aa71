"""Ordinary prose, written for this project: paragraphs of many topics, for prompts of a wanted length."""

from __future__ import annotations

from benchmarks.prompts.texts.english import PARAGRAPHS as ENGLISH
from benchmarks.prompts.texts.korean import PARAGRAPHS as KOREAN

LANGUAGES: dict[str, tuple[str, ...]] = {"en": ENGLISH, "ko": KOREAN}
