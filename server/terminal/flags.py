"""Flags of the command line, made from the settings' fields, and the engine's own flags after `--`."""

from __future__ import annotations

import re
from typing import Any

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
    low = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    bounds: dict[str, Any] = {"min": low, "max": high} if info.annotation is int else {}
    return typer.Option(
        *(names or (f"--{field.replace('_', '-')}",)),
        help=f"{info.description} [default: {info.default}]",
        show_default=False,
        metavar=metavar,
        **bounds,
    )


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
