"""All gates, cheap and sharp ones first. A new gate is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from server.cache.semantic.gates.asks import asks
from server.cache.semantic.gates.code import code
from server.cache.semantic.gates.content import content
from server.cache.semantic.gates.dates import dates
from server.cache.semantic.gates.direction import direction
from server.cache.semantic.gates.entities import entities
from server.cache.semantic.gates.form import form
from server.cache.semantic.gates.language import language
from server.cache.semantic.gates.negation import negation
from server.cache.semantic.gates.numbers import numbers
from server.cache.semantic.gates.polarity import polarity
from server.cache.semantic.gates.scope import scope
from server.cache.semantic.gates.time_words import time_words

Gate = Callable[[str, str], str | None]

GATES: dict[str, Gate] = {
    "language": language,
    "numbers": numbers,
    "dates": dates,
    "code": code,
    "entities": entities,
    "polarity": polarity,
    "negation": negation,
    "time_words": time_words,
    "form": form,
    "scope": scope,
    "asks": asks,
    "direction": direction,
    "content": content,
}
