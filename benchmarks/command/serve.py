"""`sllm bench serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.command.words import Input, Json, Language, Out, Seed, app, command_line


@app.command()
def serve(
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url", "-u", metavar="URL", help="A server of the OpenAI API; twice: both in turn. [default: http://127.0.0.1:8000]"
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Who answers; else the server's first model.")] = None,
    concurrency: Annotated[
        str | None, typer.Option("--concurrency", "-c", metavar="N,N", help="Closed loop: requests open at any time. [default: 1 to 32]")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", "-r", metavar="R,R", help="Open loop: arrivals a second, a Poisson process; inf: all at once.")
    ] = None,
    requests: Annotated[
        int | None, typer.Option("--requests", "-n", metavar="N", help="Requests of each level. [default: by its load]")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", help="A level lasts so long instead.")] = None,
    burstiness: Annotated[
        float, typer.Option("--burstiness", metavar="K", help="Shape of the gamma distribution of arrivals: below 1 in bursts.")
    ] = 1.0,
    max_concurrency: Annotated[
        int | None, typer.Option("--max-concurrency", metavar="N", help="Open loop: never more open at a time.")
    ] = None,
    dataset: Annotated[
        Literal["random", "text", "sharegpt", "jsonl"],
        typer.Option("--dataset", help="What is asked: random tokens, prose, a ShareGPT file, JSON lines."),
    ] = "random",
    file: Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="The data of --dataset sharegpt and jsonl.")] = None,
    language: Language = "en",
    endpoint: Annotated[Literal["chat", "completions"], typer.Option("--endpoint", help="Which of the API's two.")] = "chat",
    input_tokens: Input = 128,
    input_range: Annotated[
        float, typer.Option("--input-range", metavar="SHARE", min=0.0, max=1.0, help="0.2: lengths within 20% of --input-tokens.")
    ] = 0.0,
    output_tokens: Annotated[
        int | None, typer.Option("--output-tokens", metavar="N", min=1, help="Tokens of each answer. [default: as the data says, or 128]")
    ] = None,
    prefix_tokens: Annotated[
        int, typer.Option("--prefix-tokens", metavar="N", min=0, help="Of each prompt, so many shared with others of its group.")
    ] = 0,
    prefix_groups: Annotated[int, typer.Option("--prefix-groups", metavar="N", min=1, help="Different shared prefixes.")] = 1,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos/--stop-at-eos", help="Answer to the full length (vLLM), or as the model ends.")
    ] = True,
    temperature: Annotated[float, typer.Option("--temperature", metavar="T", min=0.0)] = 0.0,
    token_ids: Annotated[
        bool, typer.Option("--token-ids/--text", help="Random prompts of completions as token ids (vLLM), or as text.")
    ] = True,
    fields: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=JSON", help="One more field of every request's body; repeat for more.")
    ] = None,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="A random sample of the file, not its beginning.")] = False,
    slo: Annotated[
        str | None, typer.Option("--slo", metavar="LIMITS", help="Goodput: requests within ttft=200ms,tpot=50ms,e2e=2s, any of them.")
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", metavar="N", min=1, help="Rounds of all levels; 3 let `compare` know noise.")] = 1,
    warm_up: Annotated[int | None, typer.Option("--warm-up", metavar="N", min=0, help="Requests before, in no figure.")] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds that one request may take.")] = 600.0,
    ready_timeout: Annotated[
        float, typer.Option("--ready-timeout", metavar="S", min=0.0, help="Seconds to wait for a server that starts.")
    ] = 600.0,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", metavar="DIR", help="Folder with tokenizer.json. [default: the server is asked]")
    ] = None,
    check_tokens: Annotated[bool, typer.Option("--check-tokens/--no-check-tokens", help="Count tokens of some answers again.")] = True,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Let a gateway answer from its LLM cache.")] = False,
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", metavar="NAME", help="Variable that holds the key. [default: OPENAI_API_KEY, where set]")
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> int:
    """Measure a running server under closed-loop and open-loop load: TTFT, ITL, TPOT, E2E, goodput, and where it saturates."""
    from benchmarks.metrics import slo as limits
    from benchmarks.prompts.requests import PromptOptions
    from benchmarks.reports import outcome
    from benchmarks.runs import serve as runs
    from benchmarks.runs.loads import body_fields, loads

    options = runs.ServeOptions(
        urls=tuple(url or ["http://127.0.0.1:8000"]),
        loads=tuple(loads(concurrency, rate, requests, seconds, burstiness, max_concurrency)),
        prompts=PromptOptions(
            endpoint=endpoint,
            dataset=dataset,
            file=file,
            language=language,
            input_tokens=input_tokens,
            input_range=input_range,
            output_tokens=output_tokens,
            prefix_tokens=prefix_tokens,
            prefix_groups=prefix_groups,
            ignore_eos=ignore_eos,
            temperature=temperature,
            token_ids=token_ids,
            shuffle=shuffle,
            extra=body_fields(fields or []),
        ),
        model=model,
        tokenizer=tokenizer,
        slo=limits.parse(slo) if slo else None,
        warm_up=warm_up,
        repeat=repeat,
        seed=seed,
        timeout=timeout,
        ready_timeout=ready_timeout,
        api_key_env=api_key_env,
        cache=cache,
        check_tokens=check_tokens,
        command=command_line(),
    )
    places = outcome.places("serve", out, len(options.urls))
    documents = runs.run(options, [place / outcome.RESULT for place in places])
    return max(outcome.tell(made, place, as_json=json) for made, place in zip(documents, places, strict=True))
