"""A recipe's YAML file: read, and held against the model of its keys; what is wrong is named with its line."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from quantize.errors import UsageError
from quantize.nearest import did_you_mean


class _Loader(yaml.SafeLoader):
    """YAML in which a key written twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except FileNotFoundError:
        raise UsageError(f"no recipe file at {file}: check the path, or copy one of configs/quantize/") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read the recipe file {file}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        at = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file}{at}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file}: not YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{file} must hold keys and values, such as `method: gptq`, and it holds {_kind(data)}")
    return {str(key): value for key, value in data.items()}


def validate(data: Mapping[str, Any], file: Path | None, model: type[BaseModel]) -> None:
    """Check keys and values apart from each other, so that what is wrong is named where it stands. Raises UsageError."""
    for key, value in data.items():
        if key not in model.model_fields:
            raise UsageError(f"{place(file, key)}: unknown key '{key}': {did_you_mean(key, model.model_fields)}")
        choices = _branches(model.model_fields[key].annotation)
        try:
            if isinstance(value, bool) and bool not in choices:  # pydantic would take true for 1
                raise TypeError
            model.model_validate({key: value})
        except TypeError:
            raise UsageError(f"{place(file, key)}: '{key}' must be {_expected(choices)}, not {_kind(value)}") from None
        except ValidationError as error:
            raise UsageError(f"{place(file, key)}: {_sentence(key, value, choices, error.errors()[0])}") from None


def _sentence(key: str, value: object, choices: list[Any], error: Mapping[str, Any]) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, limit in error.get("ctx", {}).items():
        if bound in words:
            return f"'{key}' must be {words[bound]} {limit:g}, and it is {value}"
    return f"'{key}' must be {_expected(choices)}, not {_kind(value)}"


def place(file: Path | None, key: str) -> str:
    """Where a key was said: its flag, or the file and the line."""
    if file is None:
        return f"--{key.replace('_', '-')}"
    node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=_Loader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    line = next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), None)
    return f"{file}, line {line}" if line else str(file)


def _branches(annotation: Any) -> list[Any]:
    """The types and literal values that an annotation allows."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [branch for arg in get_args(annotation) for branch in _branches(arg)]
    return list(get_args(annotation)) if get_origin(annotation) is Literal else [annotation]


def _expected(choices: list[Any]) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "nothing"}
    names = [words.get(c) or ("a list of texts" if get_origin(c) is tuple else str(c)) for c in choices]
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "keys and values"
    return "a list" if isinstance(value, list | tuple) else repr(value)
