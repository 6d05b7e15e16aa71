"""What a client reads when a guard blocks."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml

from server.guards import messages
from server.guards.base import Language, Side
from server.guardsettings import Guard

LANGUAGES = get_args(Language)
KINDS = [branch.model_fields["kind"].annotation.__args__[0] for branch in Guard.__origin__.__args__]  # type: ignore[attr-defined]


@pytest.mark.parametrize("side", get_args(Side))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_has_words_on_both_sides(language: Language, kind: str, side: Side):
    said = messages.refusal(None, language, "name", kind, side)
    assert said.endswith(".")
    assert any("가" <= letter <= "힣" for letter in said) == (language == "ko")


def test_the_languages_say_the_same_things():
    keys = []
    for language in LANGUAGES:
        texts = yaml.safe_load((messages.FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
        keys.append({(side, kind) for side, kinds in texts.items() for kind in kinds})
    assert keys[0] == keys[1]


def test_every_key_of_the_texts_is_a_kind():
    texts = yaml.safe_load((messages.FOLDER / "en.yaml").read_text(encoding="utf-8"))
    assert (set(texts["input"]) | set(texts["output"])) <= {*KINDS, "other"}


def test_a_guards_own_words_go_first():
    assert messages.refusal("Ask the help desk.", "ko", "g", "pii", "input") == "Ask the help desk."


def test_a_guards_own_words_are_chosen_by_language():
    own = {"ko": "안 됩니다.", "en": "No."}
    assert [messages.refusal(own, language, "g", "pii", "input") for language in ("ko", "en")] == ["안 됩니다.", "No."]


def test_own_words_in_one_language_serve_both():
    assert messages.refusal({"ko": "안 됩니다."}, "en", "g", "pii", "input") == "안 됩니다."


def test_the_guards_name_is_put_in_and_braces_are_left_alone():
    assert messages.refusal("{guard}: {x} {}", "en", "topics", "llm", "input") == "topics: {x} {}"


@pytest.mark.parametrize("side", get_args(Side))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_check_that_failed_is_named(language: Language, side: Side):
    assert "my-guard" in messages.failure(language, "my-guard", side)
