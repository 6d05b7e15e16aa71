# ruff: noqa: I001
"""The flags of `sllm bench`: one Typer app, one sub-command a verb, no logic of its own.

Imported whenever `sllm` starts, so what a command needs is imported inside it.
"""

from __future__ import annotations

import typer

from benchmarks.command import serve, engines, suites, results  # noqa: F401  help lists the commands in this order
from benchmarks.command.words import app as app


@app.callback()
def bench_options(ctx: typer.Context) -> None:
    """Measure: a running server, an engine, what speculation and batching buy, whole matrices; compare two results."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit(2)
