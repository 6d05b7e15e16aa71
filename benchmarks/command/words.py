"""The words that commands share: options, the engine's flags, what was typed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from benchmarks.errors import BenchUsageError

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)

ENGINE_FLAGS = "engine flags"

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Folder of the results. [default: ./bench-KIND-DATE-TIME]", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="What prompts and arrivals are drawn with.")]
Input = Annotated[int, typer.Option("--input-tokens", metavar="N", min=1, help="Tokens of each prompt.")]
Output = Annotated[int, typer.Option("--output-tokens", metavar="N", min=1, help="Tokens of each answer.")]
Language = Annotated[Literal["en", "ko"], typer.Option("--language", help="Language of the prompts, where they are texts.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds that one request may take.")]
Model = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Folder or Hugging Face id; none: the demo.", show_default=False)]
Anyway = Annotated[bool, typer.Option("--anyway", help="Measure although a GPU is busy with something else.")]


class WithEngineFlags(TyperCommand):
    """What follows `--` is the engine's: it waits in `ctx.meta[ENGINE_FLAGS]`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[ENGINE_FLAGS] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ENGINE FLAGS]"]


def command_line() -> str:
    """What was typed, for the result's provenance."""
    return shlex.join(["sllm", *sys.argv[1:]])


def numbers(flag: str, text: str, least: int = 1) -> tuple[int, ...]:
    """`1,4,16` -> (1, 4, 16). Raises BenchUsageError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() and int(word) >= least for word in words):
        raise BenchUsageError(f"{flag} {text}: write whole numbers from {least} on, such as {flag} 1,4,16")
    return tuple(dict.fromkeys(int(word) for word in words))
