"""Whole matrices, resumable: `sllm bench sweep FILE`, `sllm bench suite gpu`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchmarks.command.words import Json, app, command_line

Only = Annotated[str | None, typer.Option("--only", metavar="PATTERN", help="Only steps whose id holds it, such as 'llama*'.")]
Again = Annotated[bool, typer.Option("--again", help="Also steps that failed before.")]
Total = Annotated[
    float | None, typer.Option("--limit-total", metavar="S", help="Stop between steps after so many seconds; the same command goes on.")
]
Place = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results; the same one goes on.", show_default=False)
]


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _tell(made: dict[str, Any], place: Path, as_json: bool) -> int:
    from benchmarks.reports import outcome

    return outcome.tell(made, place, as_json=as_json)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Models x engine flags x load; configs/benchmarks/ holds examples.")],
    only: Only = None,
    again: Again = False,
    limit_total: Total = None,
    out: Place = None,
    json: Json = False,
) -> int:
    """Measure a matrix of models, engine flags and load; stopped, the same command goes on."""
    from benchmarks.runs import sweep as runs

    place = out or Path(f"bench-sweep-{file.stem}")
    options = runs.SweepOptions(file, place, only, again, limit_total, command_line())
    return _tell(runs.run(options, _say), place, json)


@app.command()
def suite(
    name: Annotated[Literal["gpu"], typer.Argument(metavar="gpu", help="The suite: gpu.")],
    scale: Annotated[
        Literal["auto", "gpu", "cpu"], typer.Option("--scale", help="gpu: real shapes; cpu: every step once, small; auto: by the machine.")
    ] = "auto",
    only: Only = None,
    again: Again = False,
    limit_total: Total = None,
    steps: Annotated[bool, typer.Option("--list", help="List the steps and how they stand, run nothing.")] = False,
    out: Place = None,
    json: Json = False,
) -> int:
    """Run the whole set for a GPU in steps under 8 minutes: shapes, formats, speculation, gateway, memory, roofline. Resumable."""
    from benchmarks.runs import suite as runs

    place = out or Path(f"bench-suite-{name}")
    options = runs.SuiteOptions(out=place, scale=scale, only=only, again=again, limit_total=limit_total, command=command_line())
    if steps:
        print("\n".join(runs.listed(options)))
        return 0
    return _tell(runs.run(options, _say), place, json)
