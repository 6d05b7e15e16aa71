"""Whether an old answer has the language and the form that the new question asks for."""

from __future__ import annotations

import json
import re

from server.cache.semantic.gates.form import FORMS
from server.cache.semantic.gates.language import NAMED
from server.cache.semantic.gates.reading import language_of, read

CODE = re.compile(r"```.*?```|`[^`]*`|https?://\S+", re.DOTALL)


def fits(question: str, answer: str) -> str | None:
    """Why the answer does not fit; None when it does or when that cannot be told."""
    forms, asked = FORMS.find(question), read(question).language
    if "JSON" in forms and "JSON만" in question and not _is_json(answer):
        return "JSON is asked for, and the answer is none"
    spoken = language_of(CODE.sub(" ", answer))
    if not NAMED.find(question) and asked in ("ko", "en") and spoken not in ("", asked) and len(answer) > 40:
        return f"the question is in {asked}, the answer in {spoken}"
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text.strip().removeprefix("```json").strip("`\n "))
    except ValueError:
        return False
    return True
