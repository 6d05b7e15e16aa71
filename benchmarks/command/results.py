"""`sllm bench compare`, and `sllm bench gateway`, whose flags are those of benchmarks/gateway.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command.words import Json, app


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The result that the other is held against: a result.json or its folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other.")],
    json: Json = False,
) -> int:
    """Say what changed between two results, and whether it is more than the noise."""
    import json as json_text

    from benchmarks.reports import compare as reports
    from benchmarks.reports import document, outcome

    found = reports.compare(*(document.load(path / outcome.RESULT if path.is_dir() else path) for path in (a, b)))
    print(json_text.dumps(reports.as_dict(found), ensure_ascii=False) if json else "\n".join(reports.lines(found)))
    return 0


@app.command("gateway", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def gateway(ctx: typer.Context) -> Any:
    """Measure the gateway alone, over a mock engine, beside a peer: what passing through costs."""
    from benchmarks.gateway import main

    inner = typer.Typer(rich_markup_mode=None)
    inner.command()(main)
    return inner(ctx.args, prog_name="sllm bench gateway", standalone_mode=False)
