"""pydantic's errors as sentences: which key, what was expected, what it holds, the nearest name that would have worked."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from server.configfile import Loc, kind, show
from server.nearest import did_you_mean, nearest


class _Place(NamedTuple):
    """Where an error is: its path as a person wrote it, the type that stands there, the section whose key it is."""

    loc: Loc
    annotation: Any
    section: type[BaseModel] | None = None


def sentences(errors: Iterable[Any], root: type[BaseModel]) -> dict[Loc, str]:
    """One sentence a key that is wrong. pydantic reports each branch of a union apart; here they are one."""
    found: dict[Loc, str] = {}
    for error in errors:
        place = _place(root, error["loc"])
        if place.loc not in found:
            found[place.loc] = _sentence(error, place)
    # what one branch of a union finds wrong inside is more than that the value is not another branch
    return {loc: text for loc, text in found.items() if not any(other[: len(loc)] == loc for other in found if len(other) > len(loc))}


def _sentence(error: Mapping[str, Any], place: _Place) -> str:
    loc, annotation = place.loc, place.annotation
    name, value = show(loc), error["input"]
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key '{name}': {did_you_mean(str(loc[-1]), keys(place.section) if place.section else [])}"
        case "literal_error" if "[key]" in error["loc"]:
            return f"unknown key '{name}': known: {', '.join(_choices(annotation))}"
        case "union_tag_not_found":
            return f"'{name}.{_tag(annotation)}' is missing: one of {', '.join(_tagged(annotation))}"
        case "union_tag_invalid":
            tag = value.get(_tag(annotation)) if isinstance(value, Mapping) else None
            near = nearest(tag, _tagged(annotation)) if isinstance(tag, str) else None
            also = f": did you mean '{near}'?" if near else ""
            return f"'{name}.{_tag(annotation)}' must be {_either(list(_tagged(annotation)))}, not {kind(tag)}{also}"
        case "missing":
            return f"'{name}' is missing"
        case "value_error":
            also = " (or auto)" if _choices(annotation) == ["auto"] else ""
            message = str(error["msg"]).removeprefix("Value error, ") + also
            of_a_branch = len(error["loc"]) > len(loc)  # such as one kind of guard
            return f"'{name}': {message}" if loc and (not _section(annotation) or of_a_branch) else message
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound = next(iter(context.values()))
            word = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}[next(iter(context))]
            return f"'{name}' must be {word} {bound}, and it is {value}"
        case "string_too_short":
            return f"'{name}' is empty"
        case "string_too_long":
            return f"'{name}' must have at most {context['max_length']} characters, and it has {len(value)}"
        case "string_pattern_mismatch":
            return f"'{name}' must be made of {context['pattern'].strip('^$*+')}, not {kind(value)}"
        case _:
            if "[key]" in error["loc"]:
                return f"'{name}': put the name in quotes"
            near = nearest(value, _choices(annotation)) if isinstance(value, str) else None
            return f"'{name}' must be {expected(annotation)}, not {kind(value)}" + (f": did you mean '{near}'?" if near else "")


def keys(section: type[BaseModel]) -> list[str]:
    """The keys of a section as a person writes them."""
    return [field.alias or name for name, field in section.model_fields.items()]


def expected(annotation: Any) -> str:
    """What a value of this type is called: `a number or auto`."""
    names: list[str] = []
    if tags := _tagged(annotation):
        return f"keys and values, with `{_tag(annotation)}: {next(iter(tags))}` or another ({', '.join(list(tags)[1:])})"
    for branch in _branches(annotation):
        if get_origin(branch) is Literal:
            names += [str(choice) for choice in get_args(branch)]
        elif isinstance(branch, type) and issubclass(branch, BaseModel):
            names.append(f"keys and values ({', '.join(keys(branch))})")
        elif get_origin(branch) in (tuple, list):
            names.append("a list")
        elif get_origin(branch) is dict:
            names.append("keys and values")
        elif branch is not type(None):
            names.append({int: "a whole number", float: "a number", bool: "true or false"}.get(branch, "text"))
    return _either(names)


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _place(root: Any, loc: tuple[Any, ...]) -> _Place:
    """Where the error at pydantic's `loc` is. pydantic puts the branches of unions between the keys: they are left out here."""
    annotation: Any = root
    written: list[str | int] = []
    owner: type[BaseModel] | None = None
    steps = [step for step in loc if step != "[key]"]  # pydantic's mark for a wrong key of keys and values
    for depth, step in enumerate(steps):
        if tagged := _tagged(annotation):
            annotation = tagged.get(step, annotation)
            continue
        section = _section(annotation)
        containers = [b for b in _branches(annotation) if get_origin(b) in (dict, tuple)]
        if section:
            field = next((field for name, field in section.model_fields.items() if (field.alias or name) == step), None)
            written, owner = [*written, step], section
            if field is None:
                return _Place(tuple(written), None, owner)
            annotation = field.annotation
        elif containers and len(_branches(annotation)) - (type(None) in _branches(annotation)) > 1:
            if not str(step).startswith(("dict[", "tuple[")):  # the name of another branch
                break
            annotation = containers[0]
        elif containers and not (get_origin(containers[0]) is tuple and not isinstance(step, int)):
            written = [*written, step]
            of_key = len(steps) < len(loc) and depth == len(steps) - 1
            annotation = get_args(containers[0])[-1 if get_origin(containers[0]) is dict and not of_key else 0]
        else:
            break
    return _Place(tuple(written), annotation, owner)


def _tag(annotation: Any) -> str:
    """The key that says which branch of a union is meant; "" where the union has none."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((m.discriminator for m in marks if isinstance(m, FieldInfo) and isinstance(m.discriminator, str)), "")


def _tagged(annotation: Any) -> dict[str, type[BaseModel]]:
    """The branches of such a union, by what the key says."""
    tag = _tag(annotation)
    return {str(name): branch for branch in _branches(annotation) if tag for name in get_args(branch.model_fields[tag].annotation)}


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
