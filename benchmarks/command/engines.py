"""The commands that start an engine of their own: `sllm bench throughput | latency | batching | speculation`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmarks.command.words import (
    ENGINE_FLAGS,
    Anyway,
    Input,
    Json,
    Language,
    Model,
    Out,
    Output,
    Seed,
    Timeout,
    WithEngineFlags,
    app,
    command_line,
    numbers,
)
from benchmarks.errors import BenchUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Prompts = Annotated[
    Literal["random", "text", "sharegpt", "jsonl"],
    typer.Option("--dataset", help="What is asked: random tokens, prose, a ShareGPT file, JSON lines."),
]
File = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="The data of --dataset sharegpt and jsonl.", show_default=False)
]
Rounds = Annotated[int, typer.Option("--repeat", metavar="N", min=1, help="Rounds.")]


def _measured(kind: str, out: Path | None, run: Callable[[Path], dict[str, Any]], as_json: bool, *, again: bool = False) -> int:
    """Run into a folder of results. `again`: the folder may hold a result that is gone on with."""
    from benchmarks.reports import outcome

    place = outcome.folder(kind, out) if again else outcome.fresh(kind, out)
    return outcome.tell(run(place / outcome.RESULT), place, as_json=as_json)


@app.command(cls=WithEngineFlags)
def throughput(
    ctx: typer.Context,
    model: Model = None,
    requests: Annotated[int, typer.Option("--requests", "-n", metavar="N", min=1, help="Sent at once.")] = 256,
    dataset: Prompts = "random",
    file: File = None,
    language: Language = "en",
    input_tokens: Input = 128,
    output_tokens: Output = 128,
    stream: Annotated[bool, typer.Option("--stream", help="An event for every token, as online; else whole answers.")] = False,
    repeat: Rounds = 1,
    timeout: Timeout = 600.0,
    anyway: Anyway = False,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> int:
    """Measure the most that an engine of its own brings behind it: everything at once, tokens a second."""
    from benchmarks.prompts.options import PromptOptions
    from benchmarks.runs import throughput as runs

    asked = PromptOptions(
        endpoint="completions" if dataset == "random" else "chat",
        dataset=dataset,
        file=file,
        language=language,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )
    options = runs.ThroughputOptions(
        model=model,
        flags=tuple(ctx.meta[ENGINE_FLAGS]),
        requests=requests,
        prompts=asked,
        repeat=repeat,
        stream=stream,
        seed=seed,
        timeout=timeout,
        anyway=anyway,
        command=command_line(),
    )
    return _measured("throughput", out, lambda result: runs.run(options, result), json)


@app.command(cls=WithEngineFlags)
def latency(
    ctx: typer.Context,
    model: Model = None,
    batch: Annotated[str, typer.Option("--batch", "-b", metavar="N,N", help="Requests of a batch, started together.")] = "8",
    input_tokens: Input = 32,
    output_tokens: Output = 128,
    iterations: Annotated[int, typer.Option("--iterations", metavar="N", min=1, help="Batches that count.")] = 30,
    warm_up: Annotated[int, typer.Option("--warm-up", metavar="N", min=0, help="Batches before them.")] = 10,
    timeout: Timeout = 600.0,
    anyway: Anyway = False,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> int:
    """Measure one batch of fixed size and lengths, from its start until all of it is answered."""
    from benchmarks.prompts.options import PromptOptions
    from benchmarks.runs import latency as runs

    options = runs.LatencyOptions(
        model=model,
        flags=tuple(ctx.meta[ENGINE_FLAGS]),
        batches=numbers("--batch", batch),
        prompts=PromptOptions(endpoint="completions", input_tokens=input_tokens, output_tokens=output_tokens),
        iterations=iterations,
        warm_up=warm_up,
        seed=seed,
        timeout=timeout,
        anyway=anyway,
        command=command_line(),
    )
    return _measured("latency", out, lambda result: runs.run(options, result), json)


@app.command(cls=WithEngineFlags)
def batching(
    ctx: typer.Context,
    model: Model = None,
    requests: Annotated[int, typer.Option("--requests", "-n", metavar="N", min=2)] = 64,
    batch: Annotated[int, typer.Option("--batch", "-b", metavar="N", min=2, help="Requests of a batch; the engine's places too.")] = 8,
    max_wait: Annotated[
        float, typer.Option("--max-wait", metavar="S", min=0.0, help="Dynamic batches: the longest wait for a full one.")
    ] = 0.5,
    rate: Annotated[
        float | None, typer.Option("--rate", "-r", metavar="R", help="Arrivals a second. [default: --share of what the engine can]")
    ] = None,
    share: Annotated[float, typer.Option("--share", metavar="X", help="Load of the arriving half, of what continuous batching can.")] = 0.7,
    input_tokens: Input = 64,
    output_tokens: Annotated[str, typer.Option("--output-tokens", metavar="LOW:HIGH", help="Answers' lengths, log-uniform.")] = "16:256",
    repeat: Rounds = 2,
    timeout: Timeout = 600.0,
    anyway: Anyway = False,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> int:
    """Run the same work in static batches, in dynamic batches and continuously: what each buys."""
    from benchmarks.prompts.options import PromptOptions
    from benchmarks.runs import batching as runs

    low, colon, high = output_tokens.partition(":")
    if not (low.isdigit() and (high or low).isdigit()):
        raise BenchUsageError(f"--output-tokens {output_tokens}: write the shortest and the longest answer, such as 16:256")
    options = runs.BatchingOptions(
        model=model,
        flags=tuple(ctx.meta[ENGINE_FLAGS]),
        requests=requests,
        batch=batch,
        max_wait=max_wait,
        share=share,
        rate=rate,
        low=int(low),
        high=int(high if colon else low),
        repeat=repeat,
        seed=seed,
        timeout=timeout,
        anyway=anyway,
        command=command_line(),
    )
    options = replace(options, prompts=PromptOptions(endpoint="completions", input_tokens=input_tokens))
    return _measured("batching", out, lambda result: runs.run(options, result), json)


@app.command(cls=WithEngineFlags)
def speculation(
    ctx: typer.Context,
    model: Model = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", metavar="NAME", help="ngram, suffix, draft_model, eagle3, mtp; repeat. [default: all that the model offers]"
        ),
    ] = None,
    draft: Annotated[
        str | None, typer.Option("--draft", metavar="MODEL", help="Draft model. [default: MODEL/draft, where there is one]")
    ] = None,
    eagle3: Annotated[str | None, typer.Option("--eagle3", metavar="MODEL", help="EAGLE-3 head of the model.")] = None,
    tokens: Annotated[str, typer.Option("--tokens", metavar="N,N", help="Tokens proposed at a time.")] = "2,4,8",
    batch: Annotated[str, typer.Option("--batch", "-b", metavar="N,N", help="Requests at once.")] = "1,4,16",
    requests: Annotated[int, typer.Option("--requests", "-n", metavar="N", min=1, help="Of each batch size and round.")] = 48,
    dataset: Annotated[
        Literal["text", "sharegpt", "jsonl", "random"] | None,
        typer.Option("--dataset", help="What is asked. [default: the model's own questions where it brings some, else prose]"),
    ] = None,
    file: File = None,
    language: Language = "en",
    output_tokens: Output = 128,
    repeat: Rounds = 3,
    timeout: Timeout = 600.0,
    anyway: Anyway = False,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> int:
    """Try speculative decoding against none, by batch size, and write the `speculative:` block that is fastest. With --out it goes on."""
    from benchmarks.prompts.options import PromptOptions
    from benchmarks.runs import speculation as runs

    asked = None
    if dataset is not None or file is not None:
        asked = PromptOptions(dataset=dataset or "jsonl", file=file, language=language, output_tokens=output_tokens, ignore_eos=False)
    options = runs.SpeculationOptions(
        model=model,
        flags=tuple(ctx.meta[ENGINE_FLAGS]),
        tokens=numbers("--tokens", tokens),
        batches=numbers("--batch", batch),
        requests=requests,
        repeat=repeat,
        methods=tuple(method) if method else None,
        draft=draft,
        eagle3=eagle3,
        prompts=asked,
        language=language,
        output_tokens=output_tokens,
        seed=seed,
        timeout=timeout,
        anyway=anyway,
        command=command_line(),
    )
    return _measured("speculation", out, lambda result: runs.run(options, result), json, again=True)
