"""`sllm config`: the effective configuration with where each value comes from, and a file's check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from server.configfile import Layer, Loc, origin
from server.settings import Settings


def as_yaml(settings: Settings, said: Sequence[Layer]) -> str:
    """`settings` as a YAML file; a value that somebody said carries who, in a comment."""
    return "\n".join(_lines(settings.model_dump(mode="json"), (), said))


def _lines(value: Any, loc: Loc, said: Sequence[Layer]) -> Iterator[str]:
    """The lines of a mapping or a list, not indented yet."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        here = (*loc, key)
        head = "-" if isinstance(key, int) else f"{_scalar(key)}:"
        if isinstance(item, Mapping | list) and item:
            inner = [f"  {line}" for line in _lines(item, here, said)]
            if isinstance(key, int):
                yield f"- {inner[0][2:]}"
                yield from inner[1:]
            else:
                yield head
                yield from inner
        else:
            source = _source(said, here)
            yield f"{head} {_scalar(item)}" + (f"  # {source}" if source else "")


def _source(said: Sequence[Layer], loc: Loc) -> str | None:
    """Who said exactly the value at `loc`; None for a default."""
    layer = origin(said, loc)
    data: Any = layer.data if layer else {}
    for step in loc:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return layer.source if layer else None


def _scalar(value: Any) -> str:
    style = '"' if isinstance(value, str) and "\n" in value else None  # stays on its line, whatever its indentation
    text = yaml.safe_dump(value, default_style=style, allow_unicode=True, default_flow_style=True, width=10**6)
    return str(text).removesuffix("\n").removesuffix("\n...")


GUARD_PATHS = {"classifier": ("model",), "similarity": ("embedder",)}  # the files of others are read when guards are made


def warnings(settings: Settings) -> list[str]:
    """What is not an error in the file and would fail at the start: folders that are not there."""
    found = []
    for i, model in enumerate(settings.models):
        paths = {"path": model.path, "chat_template": model.chat_template}
        paths |= {f"adapters.{name}": path for name, path in model.adapters.items()}
        paths["speculative.model"] = model.speculative.model if model.speculative else None
        for key, path in paths.items():
            if path and _meant_as_path(path, key) and not Path(path).expanduser().exists():
                found.append(f"models[{i}].{key}: there is no {path} (looked for beside the file and in {Path.cwd()})")
    for i, guard in enumerate(settings.guards):
        for key in GUARD_PATHS.get(guard.kind, ()):
            path = getattr(guard, key)
            named = "/" not in path or "://" in path  # ngram, injection, a served model, a URL
            if not named and _meant_as_path(path, key) and not Path(path).expanduser().exists():
                found.append(f"guards[{i}].{key}: there is no {path} (looked for beside the file and in {Path.cwd()})")
    return found


def _meant_as_path(text: str, key: str) -> bool:
    """Not `org/name` of the hub: more or fewer parts, a leading dot or slash, or a first part that is a folder here."""
    return key == "chat_template" or text[0] in "./~" or text.count("/") != 1 or Path(text).parent.is_dir()
