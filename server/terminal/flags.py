"""Flags of the command line, made from the settings' fields, and the engine's own flags after `--`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import Ge, Le
from pydantic import BaseModel
from typer.core import TyperCommand

from server.errors import UsageError

ENGINE_FLAGS = "engine_flags"


def option(section: type[BaseModel], field: str, *names: str, metavar: str | None = None) -> Any:
    """A typer.Option whose help, shown default and range are those of `section.field`.

    The option's own default stays None, so that a flag which was not given leaves the file's value alone.
    """
    info = section.model_fields[field]
    default = " ".join(info.default) if isinstance(info.default, tuple) else info.default
    flag = f"--{field.replace('_', '-')}"
    if _kind(info.annotation) is bool:
        flag, default = f"{flag}/--no-{flag[2:]}", None if default is False else default
    low = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    bounds: dict[str, Any] = {"min": low, "max": high} if info.annotation is int else {}
    return typer.Option(
        *(names or (flag,)),
        help=f"{info.description}" + ("" if default is None else f" [default: {default}]"),
        show_default=False,
        metavar=metavar,
        **bounds,
    )


def fields_of(section: type[BaseModel], into: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command one flag for every field of `section`. It gets them as one mapping, its argument `into`; None: not given.

    `section` is not validated here: bounds that typer does not know and rules between fields are the command's to check.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        def command(*args: Any, **given: Any) -> int:
            values = {name: given.pop(name) for name in section.model_fields}
            return function(*args, **given, **{into: values})

        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != into]
        made = []
        for name, info in section.model_fields.items():
            kind = _flag_type(info.annotation)
            metavar = {int: "N", float: "X", str: name.rpartition("_")[2].upper(), list[str]: "NAME"}.get(kind)
            annotation = Annotated[kind | None, option(section, name, metavar=metavar)]  # type: ignore[valid-type]
            made.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature([*own, *made], return_annotation=int)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *made)}
        return command

    return decorate


def _kind(annotation: Any) -> Any:
    """The type of a field, without the None that stands for "not said"."""
    branches = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next(branch for branch in branches if branch is not NoneType)


def _flag_type(annotation: Any) -> Any:
    """What typer makes of it: a list for a tuple, a number for a choice of numbers."""
    kind = _kind(annotation)
    if get_origin(kind) is tuple:
        return list[str]
    if get_origin(kind) is Literal and not all(isinstance(value, str) for value in get_args(kind)):
        return type(get_args(kind)[0])
    return kind


class WithEngineFlags(TyperCommand):
    """A command whose words after `--` are the engine's: they are kept in `ctx.meta[ENGINE_FLAGS]`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        cut = args.index("--") if "--" in args else len(args)
        ctx.meta[ENGINE_FLAGS] = args[cut + 1 :]
        return super().parse_args(ctx, args[:cut])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ENGINE FLAGS]"]


def engine_args(words: list[str]) -> dict[str, Any]:
    """The engine's flags as `engine_args`: `--max-num-seqs 8 --enforce-eager` -> {"max-num-seqs": "8", "enforce-eager": True}.

    A flag with several values, or given several times, becomes a list. Raises UsageError.
    """
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            current = found.setdefault(name, [])
            if equals:
                current.append(value)
        elif re.match(r"-[A-Za-z]", word):
            raise UsageError(f"engine flag '{word}': write its long name, such as --tensor-parallel-size 2")
        elif current is None:
            raise UsageError(f"'{word}' after -- is not a flag of the engine: write `-- --max-num-seqs 8`")
        else:
            current.append(word)
    return {name: values[0] if len(values) == 1 else (values or True) for name, values in found.items()}


def usage_error(error: typer.TyperException) -> str:
    """typer's own error as one sentence that ends with what to type."""
    message, ctx = error.format_message().rstrip("."), getattr(error, "ctx", None)
    return message if message.endswith("?") or ctx is None else f"{message}: see `{ctx.command_path} --help`"
