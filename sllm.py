"""The command line: one Typer app, one sub-command a verb, no logic of its own.

What is heavy is imported inside the command that needs it, so that `sllm --help` comes at once. One file, however long:
every command and flag that a user can type stands here, each a few lines that call the part which does the work.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from quantize.errors import QuantizeError
from quantize.recipe import Recipe
from server.errors import SLLMError
from server.settings import Batch, Gateway, Settings, from_layers, layers, load
from server.terminal.flags import ENGINE_FLAGS, WithEngineFlags, engine_args, fields_of, option, usage_error
from server.terminal.output import print_error, print_json
from server.terminal.output import version as installed_version

app = typer.Typer(
    name="sllm",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

config_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")
cache_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(cache_app, name="cache")
guard_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(guard_app, name="guard")


def _own_benchmarks() -> None:
    """Make `import benchmarks` mean the folder beside this file: other distributions (among what vLLM's CUDA packages need) install
    a top-level folder of that name, and the one that comes first on the path would win."""
    folder = str(Path(__file__).resolve().with_name("benchmarks"))
    if folder in getattr(sys.modules.get("benchmarks"), "__path__", []):
        return
    spec = importlib.machinery.PathFinder.find_spec("benchmarks", [str(Path(folder).parent)])
    if spec is not None and spec.loader is not None:
        sys.modules["benchmarks"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


_own_benchmarks()
from benchmarks.command import app as bench_app  # noqa: E402
from benchmarks.errors import BenchError  # noqa: E402

app.add_typer(bench_app, name="bench")

CHAT_URL = f"http://{Gateway().host}:{Gateway().port}/v1"

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file (YAML).", metavar="FILE")]
Host = Annotated[str | None, option(Gateway, "host", metavar="HOST")]
Port = Annotated[int | None, option(Gateway, "port", "--port", "-p", metavar="PORT")]
Workers = Annotated[int | None, option(Gateway, "workers", metavar="N")]
DataDir = Annotated[Path | None, option(Gateway, "data_dir", metavar="DIR")]
Engine = Annotated[Literal["auto", "cuda", "cpu"] | None, option(Settings, "engine")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sllm {installed_version()}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Serve open language models behind the OpenAI API: vLLM, a gateway, one command."""
    _help_alone(ctx)


@config_app.callback()
def config_options(ctx: typer.Context) -> None:
    """Show or check the configuration."""
    _help_alone(ctx)


@cache_app.callback()
def cache_options(ctx: typer.Context) -> None:
    """Look into the cache of the running gateway, or empty it."""
    _help_alone(ctx)


@guard_app.callback()
def guard_options(ctx: typer.Context) -> None:
    """Try the guards of a configuration on a text, or measure them on labelled ones."""
    _help_alone(ctx)


def _help_alone(ctx: typer.Context) -> None:
    """Without a sub-command: the help, and the exit code of wrong usage."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit(2)


@app.command(cls=WithEngineFlags)
def serve(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Folder, Hugging Face id, or a model of the configuration; none: all of it, or the demo."),
    ] = None,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    engine: Engine = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Start the engines and the gateway. What follows -- goes to the engine: sllm serve -- --max-num-seqs 8."""
    from server.terminal import start
    from server.terminal.choose import choose

    settings = load(config, start.overrides(host=host, port=port, workers=workers, data_dir=data_dir, engine=engine))
    return start.run(choose(settings, model, engine_args(ctx.meta[ENGINE_FLAGS])), as_json=json)


@app.command()
def gateway(
    upstream: Annotated[
        list[str] | None,
        typer.Option("--upstream", "-u", metavar="URL", help="A running OpenAI-compatible server, http://host:port; repeat for replicas."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="What the upstreams serve; else they are asked.")
    ] = None,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Start only the gateway, over engines that somebody else runs."""
    from server.terminal import start

    settings = load(config, start.overrides(host=host, port=port, workers=workers, data_dir=data_dir))
    return start.run(start.over_upstreams(settings, upstream or [], model), as_json=json)


@app.command(cls=WithEngineFlags)
def batch(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="OpenAI batch lines; or JSON lines with prompt or messages, a text, CSV, Parquet.")
    ],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT.jsonl", help="Results, one a line; what failed goes to OUT.errors.jsonl.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Run this for the job: folder, Hugging Face id, a model of the configuration. With --url: for lines that name none.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Ask this OpenAI-compatible server instead.")] = None,
    ray: Annotated[str | None, typer.Option("--ray", metavar="ADDRESS", help="Run the model on this Ray cluster (docs/scale.md).")] = None,
    ray_replicas: Annotated[
        str, typer.Option("--ray-replicas", metavar="N|auto", help="Engines on the Ray cluster; auto: as many as fit.")
    ] = "auto",
    serve_as: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What lines call the model. [default: its own name]", show_default=False)
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help='Made of each row of a table or text: "Translate: {text}".')
    ] = None,
    system: Annotated[str | None, typer.Option("--system", metavar="TEXT", help="System prompt of lines that are no batch lines.")] = None,
    endpoint: Annotated[
        str, typer.Option("--endpoint", metavar="PATH", help="Where lines go that are no batch lines.")
    ] = "/v1/chat/completions",
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A field of requests that are no batch lines, e.g. max_tokens=256; repeatable."),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="openai, jsonl, text, csv or parquet. [default: by name and content]")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the input, run nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on, and refuse to begin. [default: go on where OUT is this job's]")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew: what is in OUT is lost.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run the lines of OUT.errors.jsonl again.")] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Take answers from the cache and keep them there.")] = True,
    concurrency: Annotated[int | None, option(Batch, "concurrency", metavar="N")] = None,
    retries: Annotated[int | None, option(Batch, "retries", metavar="N")] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option("--api-key-env", metavar="NAME", help="Variable that holds the key for --url. [default: OPENAI_API_KEY, where set]"),
    ] = None,
    engine: Engine = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run a file of requests; the same command goes on where it was stopped. What follows -- goes to the engine."""
    from server.offline import command
    from server.offline.options import Options, body_fields, mode, replicas
    from server.terminal import start

    settings = load(config, start.overrides(data_dir=data_dir, engine=engine))
    options = Options(
        input=source,
        out=out,
        model=model,
        url=url,
        ray=ray,
        ray_replicas=replicas(ray_replicas),
        serve_as=serve_as,
        api_key_env=api_key_env,
        prompt=prompt,
        system=system,
        endpoint=endpoint,
        format=format,
        defaults=body_fields(fields or []),
        engine_args=engine_args(ctx.meta[ENGINE_FLAGS]),
        concurrency=concurrency,
        retries=retries,
        cache=cache,
        mode=mode(resume, restart),
        retry_failed=retry_failed,
        check=check,
        configured=config is not None,
        as_json=json,
    )
    return command.run_command(settings, options)


@app.command()
def chat(
    url: Annotated[str, typer.Option("--url", metavar="URL", help="A server of the OpenAI API, with or without /v1.")] = CHAT_URL,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Who answers; else the server's first model.")] = None,
    json: Json = False,
) -> int:
    """Talk to a running server. A piped input is read one question a line."""
    from server.terminal.chat import start

    return start.run(url, model, as_json=json)


@app.command()
@fields_of(Recipe, into="recipe")
def quantize(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Folder, Hugging Face id, or a model of the configuration; none: the demo."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the checkpoint. [default: ./MODEL-METHOD]", show_default=False),
    ] = None,
    file: Annotated[Path | None, typer.Option("--recipe", "-r", metavar="FILE", help="Recipe (YAML); flags go over it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a checkpoint that was made here.")] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Serve the checkpoint and compare its answers.")] = True,
    quick: Annotated[bool, typer.Option("--quick", help="With --method all: measure less, and no speed.")] = False,
    config: Config = None,
    json: Json = False,
    *,
    recipe: Mapping[str, Any],
) -> int:
    """Make a model small, serve it once, and compare what it says. --method all makes every one that fits, and a comparison."""
    from quantize import command
    from quantize import recipe as recipes

    chosen = recipes.load(file, recipe)
    name, folder = _located(config, model)
    return command.run_command(folder, name, chosen, out, force=force, check=check, quick=quick, as_json=json, version=installed_version())


@app.command(cls=WithEngineFlags)
def evaluate(
    ctx: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Folders, Hugging Face ids, or models of the configuration.", show_default=False),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", "-b", metavar="MODEL", help="Compare with it; none: the model they were made from, if it is here."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Measure logprobs on it: JSONL of chats, pairs or texts, or plain text. [default: a bundled set]"
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ask these: JSONL of prompt and answer. [default: the demo model's, for it and its variants]"),
    ] = None,
    concurrency: Annotated[str, typer.Option(metavar="N,N", help="Measure speed with this many streams at once.")] = "1,8",
    output_tokens: Annotated[int, typer.Option(metavar="N", help="Length of an answer when speed is measured.")] = 64,
    max_questions: Annotated[int | None, typer.Option(metavar="N", help="Ask at most N, drawn by the seed. [default: all]")] = None,
    max_texts: Annotated[int, typer.Option(metavar="N", help="Read at most N texts, drawn by the seed.")] = 128,
    quality: Annotated[bool, typer.Option("--quality/--no-quality", help="Measure logprobs and exact match.")] = True,
    speed: Annotated[bool, typer.Option("--speed/--no-speed", help="Measure speed.")] = True,
    harness: Annotated[
        str | None,
        typer.Option(
            metavar="TASK,TASK",
            help="Also run lm-evaluation-harness on these tasks (`make install-harness`); from the hub: kobest, kmmlu, mmlu, gsm8k.",
        ),
    ] = None,
    harness_tasks_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with tasks of your own for it (YAML).")] = None,
    harness_limit: Annotated[int | None, typer.Option(metavar="N", help="Let it ask at most N of each task.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws texts, questions, prompts and resamples.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of evaluation.json and .html. [default: ./evaluation-DATE]"),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Measure nothing: compute an evaluation.json's comparison again.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Serve models one after the other and compare quality, size and speed. What follows -- goes to the engine."""
    from quantize.evaluation import command
    from quantize.evaluation.options import Options
    from quantize.evaluation.run import Model

    named = [*(models or []), *([baseline] if baseline else [])]
    if record:
        return command.from_record(record, out, named, as_json=json)
    options = Options(
        text=text,
        questions=questions,
        concurrency=command.concurrencies(concurrency),
        output_tokens=output_tokens,
        max_questions=max_questions,
        max_texts=max_texts,
        quality=quality,
        speed=speed,
        seed=seed,
        engine_flags=tuple(ctx.meta[ENGINE_FLAGS]),
        harness=tuple(filter(None, (harness or "").split(","))),
        harness_tasks_dir=harness_tasks_dir,
        harness_limit=harness_limit,
    )
    found = [Model(*_located(config, model)) for model in named]
    compared, base = (found[:-1], found[-1]) if baseline else (found, None)
    return command.run_command(compared, base, options, out, ["sllm", *sys.argv[1:]], as_json=json)


def _located(config: Path | None, model: str | None) -> tuple[str, Path]:
    """What MODEL is called and its folder, downloaded where it has to be."""
    import asyncio

    from server.engine import resolve
    from server.terminal.choose import checkpoint

    chosen = checkpoint(load(config), model)
    folder = asyncio.run(resolve.locate(chosen.path or "", chosen.revision, lambda detail: None))
    return (folder.name if resolve.local(chosen.path or "") else str(chosen.path)), folder


@app.command()
def plan(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Folder, Hugging Face id, or a model of the configuration; none: the demo."),
    ] = None,
    vram: Annotated[
        str | None, typer.Option("--vram", metavar="SIZE", help="Memory of the GPU, e.g. 24GiB. [default: this machine's]")
    ] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="NAME", help="A card by name, e.g. h200, l4, rtx4090.")] = None,
    max_model_len: Annotated[
        int | None, typer.Option("--max-model-len", metavar="N", min=1, help="Context in tokens. [default: the model's longest]")
    ] = None,
    calibration: Annotated[bool, typer.Option("--calibration", help="Show how far plans were off from engines that were started.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Tell what a model needs and what fits: weights, KV cache, context and concurrency by format. Nothing is downloaded or loaded."""
    from server.terminal import plan as command
    from server.terminal import start

    settings = load(config, start.overrides(data_dir=data_dir))
    if calibration:
        return command.calibrated(settings, as_json=json)
    return command.run(settings, config, model, vram, gpu, max_model_len, as_json=json)


@app.command()
def doctor(config: Config = None, host: Host = None, port: Port = None, data_dir: DataDir = None, json: Json = False) -> int:
    """Check this machine: each line ok, or what to do."""
    from server.doctor import report
    from server.terminal import start

    return report.run(load(config, start.overrides(host=host, port=port, data_dir=data_dir)), as_json=json)


Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The running gateway. [default: as the configuration says]", show_default=False)
]


@cache_app.command()
def stats(url: Url = None, config: Config = None, json: Json = False) -> None:
    """What is kept, by model and namespace, and what it has saved since the start."""
    from server.terminal import cache

    cache.stats(cache.address(load(config), url), as_json=json)


@cache_app.command()
def flush(
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Only answers of this model.")] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help='Only answers of this namespace; "": of requests that name none.'),
    ] = None,
    url: Url = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Remove kept answers: all, or those of a model, of a namespace."""
    from server.terminal import cache

    cache.flush(cache.address(load(config), url), model, namespace, as_json=json)


@cache_app.command()
def calibrate(
    file: Annotated[
        str,
        typer.Argument(metavar="LOG.jsonl", help="Log of requests, or labelled pairs (a, b, same); en or ko: those of this project."),
    ],
    embedder: Annotated[
        str | None,
        typer.Option("--embedder", "-e", metavar="NAME", help="Score with it. [default: the configuration's]", show_default=False),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option("--limit", metavar="RATE", min=0.0001, max=0.5, help="False share of the hits. [default: the configuration's]"),
    ] = None,
    judge: Annotated[
        Path | None, typer.Option("--judge", metavar="FILE", help="Judge the threshold on these pairs, not on the held-out half.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw both rates over the threshold (SVG).")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Find the threshold of the semantic cache: hit rate and false-hit rate of pairs or a log, with their bounds."""
    from server.terminal import calibrate as command

    semantic = load(config).cache.semantic
    if embedder:
        semantic = semantic.model_copy(update={"embedder": embedder})
    command.run(file, semantic, limit or semantic.max_false_hit_rate, plot, judge=judge, as_json=json)


Side = Annotated[Literal["input", "output"], typer.Option("--side", help="As part of a request, or of an answer.")]
ForModel = Annotated[
    str | None, typer.Option("--model", "-m", metavar="NAME", help="Only the guards of this model. [default: of all]", show_default=False)
]
JudgesAt = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Where served models are asked that the configuration gives no `upstreams`.")
]


@guard_app.command("check")
def guard_check(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What to judge; -: read it; none: list the guards.")] = None,
    side: Side = "input",
    model: ForModel = None,
    url: JudgesAt = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """What the guards say of a text (exit code 1: refused); without one, what they are and how far they hold back a stream."""
    from server.terminal import guard, guardlist

    if text is None:
        guardlist.listing(load(config), as_json=json)
        return 0
    return guard.check(load(config), text, side, model, url, as_json=json)


@guard_app.command("test")
def guard_test(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE.jsonl", help="Labelled texts (text, spans or label); pii or injection: those of this project."),
    ],
    side: Side = "input",
    guard: Annotated[
        list[str] | None, typer.Option("--guard", "-g", metavar="NAME", help="Only this guard; repeat for several.", show_default=False)
    ] = None,
    unit: Annotated[
        Literal["span", "text"] | None, typer.Option(help="What is counted. [default: spans, where the file labels some]")
    ] = None,
    model: ForModel = None,
    url: JudgesAt = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Precision, recall, F1, false positives and latency of each guard on labelled texts."""
    from server.terminal import guardtest

    guardtest.test(load(config), file, side, guard or [], model, url, unit, as_json=json)


@config_app.command()
def show(config: Config = None, json: Json = False) -> None:
    """Show every key with its value, and who set it where that is not the default."""
    from server.terminal import configuration

    said = layers(config, None, None)
    settings = from_layers(said)
    print_json(settings.model_dump(mode="json")) if json else print(configuration.as_yaml(settings, said))


@config_app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration file (YAML).")], json: Json = False) -> None:
    """Check a configuration file: unknown keys, wrong values, guards that cannot be made, folders that are not there."""
    from server.terminal import configuration, guardtools

    settings = load(file)
    guardtools.made(settings)
    warnings = configuration.warnings(settings)
    if json:
        print_json({"ok": True, "file": str(file), "warnings": warnings})
    else:
        print("\n".join([*(f"warning: {w}" for w in warnings), f"ok: {file}"]))


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    ours = argv[: argv.index("--")] if "--" in argv else argv
    try:
        return app(argv, prog_name="sllm", standalone_mode=False) or 0
    except (SLLMError, QuantizeError, BenchError, typer.TyperException) as error:
        if "--debug" in ours:
            raise
        message = usage_error(error) if isinstance(error, typer.TyperException) else error.message
        print_error(message, error.exit_code, as_json="--json" in ours)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130


if __name__ == "__main__":
    sys.exit(main())
