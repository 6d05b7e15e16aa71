"""Where configuration comes from: a YAML file, SLLM_* variables, flags; each a layer, later ones win."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from server.errors import ConfigError

Loc = tuple[str | int, ...]


class Layer(NamedTuple):
    """Keys and values, and who said them: the file's path, a variable's name, or `flags`."""

    source: str
    data: Mapping[str, Any]
    path: Path | None = None  # of a file


class _Loader(yaml.SafeLoader):
    """YAML in which a key written twice is an error, not a silent loss of the first, and a date is the text that it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in lines:
                    first = lines[key.value] + 1
                    raise yaml.MarkedYAMLError(problem=f"'{key.value}' stands twice, first on line {first}", problem_mark=key.start_mark)
                lines[key.value] = key.start_mark.line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> Layer:
    """The file at `path`. Raises ConfigError with the line."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {path}: check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        at = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{at}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the file must hold keys and values, such as `models:`, and it holds {kind(data)}")
    return Layer(str(path), data, path)


_OTHERS = {"SLLM_LLM_COMPRESSOR"}  # read by quantize/environments.py: a program, no setting
# Kubernetes gives every pod variables of its services: SLLM_SERVICE_HOST, SLLM_PORT=tcp://... They are not ours.
_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP)(_|$)")


def from_environ(environ: Mapping[str, str]) -> list[Layer]:
    """One layer a variable: SLLM_GATEWAY__PORT=9000 says `gateway.port`. Raises ConfigError."""
    found = []
    for variable, text in sorted(environ.items()):
        if (
            not variable.startswith("SLLM_")
            or not text.strip()
            or variable in _OTHERS
            or _KUBERNETES.search(variable)
            or (variable.endswith("_PORT") and "://" in text)
        ):
            continue
        try:
            nested: Any = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"{variable}: not a YAML value: {text!r}") from None
        for key in reversed(variable.removeprefix("SLLM_").lower().split("__")):
            nested = {key: nested}
        found.append(Layer(variable, nested))
    return found


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """All layers as one nested dict; a list replaces the list below it."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _over(merged, layer.data)
    return merged


def _over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def origin(layers: Sequence[Layer], loc: Loc) -> Layer | None:
    """The layer that said the value at `loc` (or its nearest parent, where nobody did); None where nobody said either."""
    best, found = 0, None
    for layer in layers:
        depth = _depth(layer.data, loc)
        if depth and depth >= best:
            best, found = depth, layer
    return found


def _depth(data: Any, loc: Loc) -> int:
    for depth, step in enumerate(loc):
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(loc)


def line_of(path: Path, loc: Loc) -> int | None:
    """The line, from 1, on which the value at `loc` (or its nearest parent) stands in the file."""
    node, line = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=_Loader), None
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def kind(value: Any) -> str:
    """What `value` is, in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "keys and values"
    return "a list" if isinstance(value, list) else repr(value)


def show(loc: Loc) -> str:
    """`loc` as a person writes it: models[0].name."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
