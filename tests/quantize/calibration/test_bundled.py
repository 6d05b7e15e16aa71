"""The bundled set and the passages for evaluation are what their README says, and do not overlap."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from quantize.calibration.files import BUNDLED, read
from quantize.calibration.rows import Chat

README = (BUNDLED.parent / "README.md").read_text(encoding="utf-8")
PASSAGES = Path(__file__).parents[3] / "quantize/evaluation/data/passages.jsonl"
HANGUL = re.compile(r"[가-힣]")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


SAMPLES, TEXTS = lines(BUNDLED), lines(PASSAGES)


def content(sample: dict[str, Any]) -> str:
    return sample["text"] if "text" in sample else "\n".join(message["content"] for message in sample["messages"])


def sentences(text: str) -> set[str]:
    return {part.strip() for part in re.split(r"(?<=[.!?다요])\s+|\n", text) if len(part.strip()) > 12}


def test_the_readme_counts_what_is_there():
    counted = Counter(("chats" if "messages" in each else "texts", each["language"]) for each in SAMPLES)
    assert f"| chats | {counted['chats', 'en']} | {counted['chats', 'ko']} |" in README
    assert f"| texts | {counted['texts', 'en']} | {counted['texts', 'ko']} |" in README
    assert f"{len(SAMPLES)} samples" in README
    assert f"{sum(each['kind'] == 'demo' for each in SAMPLES)} chats" in README


def test_the_readme_has_the_files_digest():
    assert f"sha256:{hashlib.sha256(BUNDLED.read_bytes()).hexdigest()}" in README


def test_there_are_as_many_samples_as_the_default_recipe_asks_for():
    from quantize.recipe import Recipe

    assert len(read(BUNDLED)) == Recipe().samples == len(SAMPLES)


def test_half_is_english_and_half_korean():
    assert Counter(each["language"] for each in SAMPLES) == {"en": 128, "ko": 128}


@pytest.mark.parametrize("part", ["system", "tool", "tool_calls", "tools"])
def test_chats_hold_system_prompts_and_tools(part: str):
    chats = [each for each in read(BUNDLED) if isinstance(each, Chat)]
    found = [chat for chat in chats if any(part == m["role"] or part in m for m in chat.messages) or (part == "tools" and chat.tools)]
    assert len(found) >= 3


def test_no_sample_is_there_twice():
    assert [text for text, times in Counter(map(content, SAMPLES)).items() if times > 1] == []


def test_no_sample_holds_what_looks_like_personal_data():
    personal = re.compile(r"[\w.]+@[\w-]+\.\w+|\b01[016789]-?\d{3,4}-?\d{4}\b|\b\d{6}-[1-8]\d{6}\b")
    assert [found[0] for each in SAMPLES if (found := personal.search(content(each)))] == []


def test_the_passages_are_half_english_half_korean_and_of_some_length():
    assert Counter(each["language"] for each in TEXTS) == {"en": 16, "ko": 16}
    assert all(60 <= len(each["text"].split()) <= 200 for each in TEXTS)
    assert all(bool(HANGUL.search(each["text"])) is (each["language"] == "ko") for each in TEXTS)


def test_no_sentence_of_the_passages_is_in_the_calibration_set():
    calibrated = {sentence for each in SAMPLES for sentence in sentences(content(each))}
    assert len(calibrated) > 1000
    assert calibrated & {sentence for each in TEXTS for sentence in sentences(each["text"])} == set()
