"""`--prompt "Translate: {text}"`: a text with places for the columns of a row. `{{` and `}}` are braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from server.batch.request import shown
from server.errors import UsageError

_token = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
NAMED = 20  # columns that a message names


class Missing(Exception):
    """A row lacks what the template asks for; the message goes after the line's number."""


class Template:
    """Raises UsageError for a text that is no template."""

    @classmethod
    def of(cls, column: str) -> Template:
        """The template that is one column's text and nothing else, whatever its name."""
        made = cls("{column}")
        made.text, made.parts, made.columns = f"{{{column}}}", [("", column)], (column,)
        return made

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[tuple[str, str | None]] = []  # text, then the column whose value follows
        literal, end = "", 0
        for found in _token.finditer(text):
            literal, end = literal + text[end : found.start()], found.end()
            token = found[0]
            if token in ("{{", "}}"):
                literal += token[0]
            elif found[1] is not None and found[1].strip():
                self.parts.append((literal, found[1].strip()))
                literal = ""
            else:
                raise UsageError(f"--prompt has a {token} that names no column: write {{column}}, and {{{{ or }}}} for a brace itself.")
        self.last = literal + text[end:]
        self.columns = tuple(dict.fromkeys(column for _, column in self.parts if column is not None))
        if not self.columns:
            raise UsageError('--prompt names no column, so each line would ask the same: write e.g. --prompt "Translate: {text}".')

    def check(self, columns: Iterable[str]) -> None:
        """Raise UsageError for a place that none of the columns fills."""
        have = tuple(columns)
        for column in self.columns:
            if column not in have:
                raise UsageError(f"--prompt names the column {shown(column)}, and there is none: the columns are {named(have)}.")

    def fill(self, row: Mapping[str, object]) -> str:
        """The text for a row; values are put in as they are and not looked into. Raises Missing."""
        texts: dict[str, str] = {}
        for column in self.columns:
            if column not in row:
                raise Missing(f"it has no {shown(column)}, which --prompt names: it has {named(row)}.")
            value = row[column]
            if value is None or (isinstance(value, msgspec.Raw) and bytes(value) == b"null"):
                raise Missing(f"its {shown(column)}, which --prompt names, is empty (null).")
            texts[column] = as_text(value)
        if not any(texts.values()):
            raise Missing(f"all that --prompt names is empty in it ({named(texts)}).")
        return "".join(literal + texts[column] for literal, column in self.parts if column is not None) + self.last


def as_text(value: object) -> str:
    """How a value stands in a prompt: texts as they are, JSON's other values as JSON, the rest (dates) as Python shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, msgspec.Raw):
        try:
            return msgspec.json.decode(value, type=str)
        except msgspec.DecodeError:
            return bytes(value).decode()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool | int | float | list | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)


def named(columns: Iterable[str]) -> str:
    """Columns in a message."""
    names = [shown(column) for column in columns]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "") or "none"
