"""`sllm bench speculation`: every way of speculating that a model offers, at several token counts and batch sizes, against none.

One engine for each variant, none before all others and once more after them, so that a drift of the machine shows. Each variant
gets the same prompts, other ones at every batch size and round, since an engine that has seen a question would propose its own
earlier answer. What a variant gave is kept in a file as soon as it is done: the same command with the same --out goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import busygpu
from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.metrics import acceptance
from benchmarks.prompts.options import PromptOptions
from benchmarks.reports import document
from benchmarks.reports.terminal import Live
from benchmarks.runs import settings, speculationreport
from benchmarks.runs.measured import Measured
from benchmarks.runs.session import LOGS, EngineOptions, Session, common, finish, fitting, on_engine
from benchmarks.runs.variants import Variant, candidates
from benchmarks.stack import model_folder

VARIANTS = "variants"  # folder of what each variant gave
QUESTIONS = "questions/heldout.jsonl"  # the demo model brings questions; they are its natural prompts
WARM_UP = 8


@dataclass(frozen=True, kw_only=True)
class SpeculationOptions(EngineOptions):
    """`prompts` None: the model's own questions where it brings some, else prose."""

    tokens: tuple[int, ...] = (2, 4, 8)
    batches: tuple[int, ...] = (1, 4, 16)
    requests: int = 48  # of each batch size and round
    repeat: int = 3
    methods: tuple[str, ...] | None = None
    draft: str | None = None
    eagle3: str | None = None
    prompts: PromptOptions | None = None
    language: str = "en"
    output_tokens: int = 128  # an answer's end before that counts
    suffix_installed: bool | None = None  # None: looked up
    command: str = "sllm bench speculation"


def run(options: SpeculationOptions, file: Path) -> dict[str, Any]:
    """The document, kept in `file`, each variant beside it. Raises BenchError when nothing could be measured."""
    folder = model_folder(options.model)
    if options.model and folder is None and (options.model[0] in "./~" or options.model.count("/") != 1):
        raise BenchUsageError(f"no model folder at {options.model}: check the path, or give a hub id such as org/name")
    found = candidates(
        folder,
        options.tokens,
        draft=options.draft,
        eagle3=options.eagle3,
        methods=options.methods,
        suffix_installed=options.suffix_installed,
    )
    prompts = options.prompts or natural(folder, options)
    prompts.check()
    busy = busygpu.check(anyway=options.anyway)
    said = {**settings.asked(prompts), **common(options)}
    said |= {key: getattr(options, key) for key in ("tokens", "batches", "requests", "repeat", "draft", "eagle3")} | {"warmup": WARM_UP}
    made = document.new("speculation", said, options.command, seed=options.seed)
    made["settings"] |= {"variants": [v.name for v in found.variants], "left_out": found.left_out}
    asked_for = document.plain({**said, "seed": options.seed})
    kept, note = [], None
    for number, variant in enumerate(found.variants):
        earlier = _kept(_file(file, variant), variant, asked_for)
        with Live() as live:
            live.say(f"variant {number + 1} of {len(found.variants)}: {variant.name}" + (", measured before" if earlier else ""))
            try:
                one, note = (earlier, None) if earlier else _measure(options, prompts, variant, made, file, live)
            except KeyboardInterrupt:
                note = f"interrupted at {variant.name}"
                break
            if one.failed:
                live.say(f"{variant.name}: {one.failed}")
        kept.append(one)
        if earlier:
            made["levels"] += earlier.levels
            made["provenance"]["server"] = made["provenance"]["server"] or earlier.server
        elif not note:
            _keep(_file(file, variant), one, asked_for)
        speculationreport.write(made, kept, options.model, found.left_out)
        document.save(made, file)
        if one.failed and not variant.method and not variant.again:
            raise BenchError(f"without speculation there is nothing to compare with: {one.failed}")
        if note:
            break
    speculationreport.write(made, kept, options.model, found.left_out)
    finish(made, note, busy, file)
    speculationreport.configuration(made, file.parent)
    return made


def natural(folder: Path | None, options: SpeculationOptions) -> PromptOptions:
    """The model's own questions where its folder has some, else prose; never random tokens, in which no proposal comes true."""
    questions = folder / QUESTIONS if folder else None
    if questions and questions.is_file():
        return PromptOptions(
            endpoint="chat", dataset="jsonl", file=questions, shuffle=True, ignore_eos=False, output_tokens=options.output_tokens
        )
    return PromptOptions(endpoint="chat", dataset="text", language=options.language, ignore_eos=False, output_tokens=options.output_tokens)


def _measure(
    options: SpeculationOptions, prompts: PromptOptions, variant: Variant, made: dict[str, Any], file: Path, live: Live
) -> tuple[Measured, str | None]:
    """One engine from start to end. The second value says why the whole run ends here."""
    one = Measured(variant)

    async def work(session: Session) -> None:
        one.ready_seconds, one.server = round(session.stack.ready_seconds, 2), session.stack.server()
        asked = fitting(prompts, session)
        count = WARM_UP + options.requests * options.repeat * len(options.batches)
        drawn = await session.prompts(asked, count, salt=0)
        await session.warm_up(drawn[:WARM_UP], WARM_UP)
        at = WARM_UP
        for repeat in range(options.repeat):
            for size in options.batches if repeat % 2 == 0 else reversed(options.batches):
                requests = [drawn[(at + place) % len(drawn)] for place in range(options.requests)]
                at += options.requests
                await _level(one, session, requests, size, repeat)

    model, config = configured(options.model, variant)
    try:
        note = on_engine(options, config, made, file, live, work, model=model, logs=file.parent / LOGS / _file_name(variant))
    except BenchError as error:
        if one.levels:
            raise
        one.failed = error.message
        return one, None
    if note and not note.startswith("interrupted"):  # the engine did not last: this variant's own result
        one.failed, note = note, None
    return one, note


async def _level(one: Measured, session: Session, requests: Sequence[Request], size: int, repeat: int) -> None:
    before = session.stack.metrics()
    load = Load("closed", concurrency=size, requests=len(requests))
    level = await session.level(requests, load, f"{one.name}, batch size {size}, round {repeat + 1}", repeat=repeat, prompt_set=one.name)
    found = acceptance.between(before, session.stack.metrics())
    entry = session.made["levels"][-1]
    entry["acceptance"] = found.as_dict() if found else None
    one.levels.append(entry)
    one.accepted.append(entry["acceptance"])
    one.answers.append(digests(level))


def digests(level: Level) -> list[str]:
    """A digest of each answer's text, "" for a failed request."""
    return ["" if r.error else hashlib.sha256(r.text.encode()).hexdigest()[:16] for r in level.records]


def configured(model: str | None, variant: Variant) -> tuple[str, dict[str, Any]]:
    """(name, configuration) that serves `model` with a variant."""
    folder = model_folder(model)
    name = folder.name if folder else str(model)
    entry: dict[str, Any] = {"name": name, "path": str(folder or model)}
    if variant.block:
        entry["speculative"] = variant.block
    return name, {"models": [entry]}


def _file_name(variant: Variant) -> str:
    return variant.name.replace(", ", "-").replace(" ", "-")


def _file(document_file: Path, variant: Variant) -> Path:
    return document_file.parent / VARIANTS / f"{_file_name(variant)}.json"


def _keep(file: Path, one: Measured, asked_for: dict[str, Any]) -> None:
    document.write(file, json.dumps({"settings": asked_for, **asdict(one)}, ensure_ascii=False) + "\n")


def _kept(file: Path, variant: Variant, asked_for: dict[str, Any]) -> Measured | None:
    """What an earlier run measured of `variant`. Raises BenchUsageError where that run asked for something else."""
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        said = found.pop("settings")
        one = Measured(**{**found, "variant": Variant(**found["variant"])})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise BenchUsageError(f"{file} is not what a run kept: remove it, and the variant is measured again") from None
    if said != json.loads(json.dumps(asked_for)) or one.variant != variant:
        raise BenchUsageError(f"{file.parent.parent} holds a run with other settings: name another folder with --out")
    return None if one.failed else one
