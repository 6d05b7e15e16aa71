"""An answer must be JSON that a schema takes: all of it, as a client's `json.loads` would read it, without a fence around it.

What is wrong is said in the schema's own words, never in the answer's, so that it can be logged and sent back to the model.
Patterns of the schema run in linear time (RE2), and references stay inside the schema: nothing is fetched.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from server.errors import ConfigError
from server.guards.base import Context, Judgement, Piece, Side, Tools, Window
from server.guardsettings import JsonSchema

LONGEST = 1_000_000  # characters; a longer answer is refused
SHORT = 10_000  # characters up to which the answer is read at once, without a thread
ERRORS = 100  # errors of which the most telling is taken
SAID = 200  # characters of what a schema demands, in the reason
CATEGORY = "json_schema"


def make(settings: JsonSchema, side: Side, tools: Tools) -> JsonSchemaJudge:
    """Raises ConfigError for a schema that is none, points outside itself or has a pattern that RE2 does not take."""
    return JsonSchemaJudge(settings.label, _schema(settings))


class JsonSchemaJudge:
    window: Window = "whole"
    parallel = False

    def __init__(self, name: str, schema: Any) -> None:
        self.validator = _compile(name, schema)
        self._names = _property_names(schema)

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        for piece in pieces:
            text = piece.before + piece.text
            wrong = self.wrong(text) if len(text) <= SHORT else await asyncio.to_thread(self.wrong, text)
            if wrong is not None:
                return Judgement(True, {CATEGORY: 1.0}, wrong, piece.place)
        return Judgement(False, {CATEGORY: 0.0})

    def wrong(self, text: str) -> str | None:
        """What is wrong with the answer, in one line; None: it is right."""
        if len(text) > LONGEST:
            return f"the answer is longer than {LONGEST} characters"
        try:
            value = json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            return _no_json(text, error)
        except (ValueError, RecursionError):
            return "the answer is no JSON: a number is too large or it is nested too deep"
        try:
            errors = list(islice(self.validator.iter_errors(value), ERRORS))
        except RecursionError:
            return "the answer is nested too deep"
        if not errors:
            return None
        from jsonschema.exceptions import best_match

        best = best_match(errors)
        return self._said(best if best is not None else errors[0])

    def _said(self, error: Any) -> str:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part if part in self._names else '*'}" for part in error.absolute_path)
        demanded = _demand(error)
        return f"at ${path}: {demanded}"


def _demand(error: Any) -> str:
    """What the schema asks for there."""
    rule, value = str(error.validator), error.validator_value
    if rule == "required" and isinstance(error.instance, Mapping):
        missing = [name for name in value if name not in error.instance]
        return f"the required {'property' if len(missing) == 1 else 'properties'} {_short(missing)} must be there"
    if rule == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        return f"no other properties than {_short(known)} are allowed"
    if rule == "type":
        return f"the type must be {_short(value)}"
    if rule == "enum":
        return f"it must be one of {_short(value)}"
    if error.schema is False or rule == "None":
        return "nothing is allowed here"
    return f"it must keep to {rule} {_short(value)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SAID else text[:SAID] + "..."


def _no_json(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "the answer is empty; it must be JSON"
    if text.lstrip().startswith("```"):
        return "the answer is in a code fence; it must be the JSON alone, from its first character to its last"
    if error.msg == "Extra data":
        return f"the answer goes on after the JSON, at character {error.pos}; it must be the JSON alone"
    return f"the answer is no JSON: {error.msg}, at character {error.pos}"


def _refuse(constant: str) -> Any:
    raise json.JSONDecodeError(f"{constant} is no JSON number", "", 0)


def _schema(settings: JsonSchema) -> Any:
    if settings.json_schema is not None:
        return settings.json_schema
    file = Path(str(settings.schema_file)).expanduser()
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"guard '{settings.label}': `schema_file: {file}` cannot be read ({error.strerror}): check the path.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"guard '{settings.label}': `schema_file: {file}` is no JSON ({error}).") from None


def _compile(name: str, schema: Any) -> Any:
    """A validator that fetches nothing and whose patterns run in linear time. Raises ConfigError."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, extend, validator_for
    from jsonschema_specifications import REGISTRY

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        where = "".join(f".{part}" for part in error.absolute_path)
        raise ConfigError(f"guard '{name}': the schema is none, at ${where}: {error.message[:SAID]}.") from None
    for each in _objects(schema):
        _check_patterns(name, each)
    _check_references(name, schema, kind, REGISTRY)
    linear = {"pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional_properties}
    return extend(kind, linear)(schema, registry=REGISTRY)


def _check_patterns(name: str, schema: Mapping[str, Any]) -> None:
    patterns = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    named = schema.get("patternProperties")
    if isinstance(named, Mapping):
        patterns += list(named)
        if "unevaluatedProperties" in schema:
            raise ConfigError(
                f"guard '{name}': unevaluatedProperties beside patternProperties is not supported: write additionalProperties."
            )
    for pattern in patterns:
        try:
            _re2(pattern)
        except Exception as error:  # re2.error is no part of its stubs
            raise ConfigError(
                f"guard '{name}': the schema's pattern '{pattern}' cannot run in linear time ({error}): "
                "write it without look-around and back-references."
            ) from None


def _check_references(name: str, schema: Any, kind: Any, registry: Any) -> None:
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    specification = specification_with(kind.META_SCHEMA.get("$schema", "https://json-schema.org/draft/2020-12/schema"))
    root = specification.create_resource(schema)
    registry = registry.with_resource(root.id() or "", root)
    waiting = [(root, registry.resolver(root.id() or ""))]
    while waiting:
        resource, resolver = waiting.pop()
        if isinstance(resource.contents, Mapping):
            for key in ("$ref", "$dynamicRef", "$recursiveRef"):
                reference = resource.contents.get(key)
                if not isinstance(reference, str):
                    continue
                try:
                    resolver.lookup(reference)
                except Unresolvable:
                    raise ConfigError(
                        f"guard '{name}': the schema's {key} '{reference}' points to nothing inside it; nothing is fetched: "
                        "put the definition into $defs and write #/$defs/NAME."
                    ) from None
        for inner in resource.subresources():
            waiting.append((inner, resolver.in_subresource(inner)))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _property_names(schema: Any) -> frozenset[str]:
    return frozenset(name for each in _objects(schema) if isinstance(each.get("properties"), Mapping) for name in each["properties"])


def _re2(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)  # re2 keeps the compiled ones


def _matches(pattern: str, text: str) -> bool:
    return _re2(pattern).search(text.encode("utf-8", "replace").decode()) is not None


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError("does not match the pattern")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in known and not any(_matches(pattern, name) for pattern in patterns)]
    if validator.is_type(rule, "object"):
        for name in extra:
            yield from validator.descend(instance[name], rule, path=name)
    elif not rule and extra:
        yield ValidationError("has properties that are not allowed")
