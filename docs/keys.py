"""Writes the table of keys in docs/configuration.md from the settings' own fields: `make docs`."""

from __future__ import annotations

import sys
import types
import typing
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from server.guardsettings import GuardBase
from server.settings import Section, Settings
from server.units import show_seconds, show_size

PAGE = Path(__file__).parent / "configuration.md"
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def rows(section: type[Section], prefix: str = "") -> list[tuple[str, str, str]]:
    """(key, default, help) of every field below `section`, depth first."""
    found: list[tuple[str, str, str]] = []
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        inner, many = _section_in(field.annotation)
        if inner and not field.description:
            found += rows(inner, f"{key}.")
            continue
        found.append((key + many, _default(field), field.description or ""))
        if inner:
            found += rows(inner, f"{key}{many}.")
        if kinds := _kinds_in(field.annotation):
            found += _of_kinds(kinds, f"{key}[]")
    return found


def _of_kinds(kinds: dict[str, type[Section]], prefix: str) -> list[tuple[str, str, str]]:
    """The keys of a list whose entries are of several kinds: what all have, then what some have, or default otherwise."""
    common = [(f"{prefix}.{name}", _default(field), field.description or "") for name, field in GuardBase.model_fields.items()]
    own: dict[tuple[str, str, str], list[str]] = {}
    for kind, section in kinds.items():
        for name, field in section.model_fields.items():
            row = (f"{prefix}.{field.alias or name}", _default(field), field.description or "")
            if name != "kind" and row not in common:
                own.setdefault(row, []).append(kind)
    said = [(key, default, f"{', '.join(names)}: {help}") for (key, default, help), names in own.items()]
    return [(f"{prefix}.kind", "required", f"{', '.join(kinds)}."), *common, *said]


def _kinds_in(annotation: Any) -> dict[str, type[Section]]:
    """The sections of a tuple whose entries say their kind."""
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) is not tuple or typing.get_origin(args[0]) is not typing.Annotated:
        return {}
    sections = typing.get_args(typing.get_args(args[0])[0])
    return {typing.get_args(section.model_fields["kind"].annotation)[0]: section for section in sections}


def table() -> str:
    lines = ["| key | default | |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{key}` | {default} | {help} |" for key, default, help in rows(Settings)])


def page(text: str) -> str:
    """`text` with the table between its two marks replaced."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def _section_in(annotation: Any) -> tuple[type[Section] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, ""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return next((a for a in args if isinstance(a, type) and issubclass(a, Section)), None), ""
    if origin in (tuple, dict):
        inner = args[0] if origin is tuple else args[-1]
        if isinstance(inner, type) and issubclass(inner, Section):
            return inner, "[]" if origin is tuple else ".NAME"
    return None, ""


def _default(field: Any) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ((), {}):
        return ""
    unit = "".join(str(m) for m in [field.annotation, *field.metadata])
    if "show_seconds" in unit and isinstance(value, float):
        return f"`{show_seconds(value)}`"
    if "show_size" in unit and isinstance(value, int):
        return f"`{show_size(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    new = page(PAGE.read_text(encoding="utf-8"))
    if "--check" in sys.argv:
        sys.exit(0 if new == PAGE.read_text(encoding="utf-8") else "docs/configuration.md is behind server/settings.py: make docs")
    PAGE.write_text(new, encoding="utf-8")
