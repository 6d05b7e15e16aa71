"""pydantic's errors as sentences: which key, what was expected, what it holds, the nearest name that would have worked."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from server.configfile import Loc, kind, show
from server.nearest import did_you_mean, nearest


def sentences(errors: Iterable[Any], root: type[BaseModel]) -> dict[Loc, str]:
    """One sentence a key that is wrong. pydantic reports each branch of a union apart; here they are one."""
    found: dict[Loc, str] = {}
    for error in errors:
        loc, annotation = _place(root, error["loc"])
        if loc not in found:
            found[loc] = _sentence(error, loc, annotation, root)
    return found


def _sentence(error: Mapping[str, Any], loc: Loc, annotation: Any, root: type[BaseModel]) -> str:
    name, value = show(loc), error["input"]
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key '{name}': {did_you_mean(str(loc[-1]), known_keys(root, loc[:-1]))}"
        case "missing":
            return f"'{name}' is missing"
        case "value_error":
            also = " (or auto)" if _choices(annotation) == ["auto"] else ""
            message = str(error["msg"]).removeprefix("Value error, ") + also
            return f"'{name}': {message}" if loc and not _section(annotation) else message
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound = next(iter(context.values()))
            word = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}[next(iter(context))]
            return f"'{name}' must be {word} {bound}, and it is {value}"
        case "string_too_short":
            return f"'{name}' is empty"
        case _:
            if "[key]" in error["loc"]:
                return f"'{name}': put the name in quotes"
            near = nearest(value, _choices(annotation)) if isinstance(value, str) else None
            return f"'{name}' must be {expected(annotation)}, not {kind(value)}" + (f": did you mean '{near}'?" if near else "")


def known_keys(root: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that are known at `loc`, a path of keys and indices into the configuration."""
    section = _section(_place(root, loc)[1])
    return list(section.model_fields) if section else []


def expected(annotation: Any) -> str:
    """What a value of this type is called: `a number or auto`."""
    names: list[str] = []
    for branch in _branches(annotation):
        if get_origin(branch) is Literal:
            names += [str(choice) for choice in get_args(branch)]
        elif isinstance(branch, type) and issubclass(branch, BaseModel):
            names.append(f"keys and values ({', '.join(branch.model_fields)})")
        elif get_origin(branch) in (tuple, list):
            names.append("a list")
        elif get_origin(branch) is dict:
            names.append("keys and values")
        elif branch is not type(None):
            names.append({int: "a whole number", float: "a number", bool: "true or false"}.get(branch, "text"))
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _place(root: Any, loc: tuple[Any, ...]) -> tuple[Loc, Any]:
    """The part of `loc` that a person wrote (pydantic appends the branches of unions), and the type that stands there."""
    annotation: Any = root
    loc = tuple(step for step in loc if step != "[key]")  # pydantic's mark for a key of the wrong type
    for depth, step in enumerate(loc):
        section = _section(annotation)
        container = next((b for b in _branches(annotation) if get_origin(b) in (dict, tuple)), None)
        if section:
            if step not in section.model_fields:
                return loc[: depth + 1], None
            field = section.model_fields[step]
            annotation = field.annotation
        elif container is not None and not (get_origin(container) is tuple and not isinstance(step, int)):
            annotation = get_args(container)[-1 if get_origin(container) is dict else 0]
        else:
            return loc[:depth], annotation
    return loc, annotation


def _branches(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _branches(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [b for arg in get_args(annotation) for b in _branches(arg)]
    return [annotation]


def _section(annotation: Any) -> type[BaseModel] | None:
    return next((b for b in _branches(annotation) if isinstance(b, type) and issubclass(b, BaseModel)), None)


def _choices(annotation: Any) -> list[str]:
    return [str(choice) for b in _branches(annotation) if get_origin(b) is Literal for choice in get_args(b)]
