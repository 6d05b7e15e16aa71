"""One model, booted as it is served, asked and timed, and ended again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from quantize import manifest
from quantize.errors import EvaluationError
from quantize.evaluation import answers, enginelog, provenance, sizes, speed, texts
from quantize.evaluation.answers import Answer
from quantize.evaluation.client import Client, Place
from quantize.evaluation.enginelog import EngineLog
from quantize.evaluation.harness import Scores
from quantize.evaluation.harness import run as run_harness
from quantize.evaluation.options import LISTED, Options
from quantize.evaluation.positions import Positions
from quantize.evaluation.serving import Serving
from quantize.evaluation.sizes import Sizes
from quantize.evaluation.speed import Load
from quantize.evaluation.texts import Text

Say = Callable[[str], None]


class Made(BaseModel):
    """How the checkpoint was made, by its sllm.json; else what config.json says."""

    model_config = ConfigDict(frozen=True)

    method: str
    bits: int = 0
    base: str | None = None
    recipe: Mapping[str, Any] = {}
    versions: Mapping[str, str] = {}
    created: str | None = None


class Measurement(BaseModel):
    """All that was found out about one model. `ready_seconds` from the command to the first answer that counts; `text` and
    `questions` name what was read. What was not measured is None or empty."""

    model_config = ConfigDict(frozen=True)

    name: str
    date: str
    made: Made
    sizes: Sizes
    engine: EngineLog
    distribution: str
    ready_seconds: float
    context: int
    seed: int
    text: str | None = None
    positions: Positions | None = None
    questions: str | None = None
    answers: tuple[Answer, ...] = ()
    loads: tuple[Load, ...] = ()
    harness: Scores = {}
    harness_version: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        return cls.model_validate(data)


def measure(folder: Path, options: Options, say: Say = lambda _: None, name: str | None = None) -> Measurement:
    """Serve `folder`, measure what `options` ask for, end it. `say` is told what is done, a short line at a time.

    Raises EvaluationError with the engine's own cause when it does not serve, or with what was wrong with a file of `options`.
    """
    name = name or folder.resolve().name
    if not folder.is_dir():
        raise EvaluationError(f"no model folder at {folder}: give the folder that holds config.json")
    if kind := _no_generator(folder):
        raise EvaluationError(f"{name} is {kind}, not a model that generates text: there is nothing here to measure it by")
    read, asked, sources = material(folder, options)
    made, measured_sizes = how_made(folder), sizes.measure(folder)
    say("starting the engine")
    with Serving(folder, engine_flags(options), options.logs, name) as served:
        if served.kind != "chat":
            raise EvaluationError(f"{name} is served for {served.kind}, not for generating text: there is nothing here to measure it by")
        found = asyncio.run(_drive(served, _has_template(folder), options, read, asked, say))
        if options.harness:
            say(f"lm-evaluation-harness: {', '.join(options.harness)}")
            found |= run_harness(served.address, served.model, folder, options, name)
        return Measurement(
            name=name,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            made=made,
            sizes=measured_sizes,
            engine=enginelog.read(served.log()),
            distribution=provenance.engine_distribution(),
            ready_seconds=served.ready_seconds,
            seed=options.seed,
            text=sources[0],
            questions=sources[1],
            **found,
        )


def material(folder: Path, options: Options) -> tuple[list[Text], list[texts.Question], tuple[str | None, str | None]]:
    """The texts to read and the questions to ask, and what they are called. Raises EvaluationError for a file's fault."""
    demo = texts.is_demo(folder)
    text = options.text or (texts.DEMO_QUESTIONS if demo else texts.PASSAGES)
    questions = options.questions or (texts.DEMO_QUESTIONS if demo else None)
    read = texts.draw(texts.read_texts(text), options.max_texts, options.seed)
    if not options.quality:
        return read, [], (None, None)
    asked = texts.draw(texts.read_questions(questions), options.max_questions, options.seed) if questions else []
    return read, asked, (text.name, questions.name if questions else None)


def how_made(folder: Path) -> Made:
    written = manifest.read(folder)
    if written is not None:
        return Made(
            method=written.method,
            bits=written.weights.bits,
            base=written.base.name,
            recipe=written.recipe,
            versions=written.versions,
            created=written.created,
        )
    config = sizes.checkpoint_config(folder)
    quantization = config.get("quantization_config") or {}
    dtype = config.get("dtype") or config.get("torch_dtype") or "unquantized"
    return Made(method=str(quantization.get("quant_method", dtype)), bits=sizes.weight_bits(quantization))


def engine_flags(options: Options) -> tuple[str, ...]:
    """Ours before the user's, which win. vLLM lists at most 20 tokens unless told otherwise."""
    return (*(() if _given(options, "--max-logprobs") else ("--max-logprobs", str(LISTED))), *options.engine_flags)


def _listed(options: Options) -> int:
    """How many tokens to ask for at each position: what the engine was told to allow."""
    given = _given(options, "--max-logprobs")
    return min(LISTED, int(given)) if given.isdigit() else LISTED


def _given(options: Options, flag: str) -> str:
    """The value of a flag among the user's own; empty where it is not there."""
    words = " ".join(options.engine_flags).replace("=", " ").split()
    names = [word.replace("_", "-") for word in words]
    return words[names.index(flag) + 1] if flag in names[:-1] else ""


async def _drive(served: Serving, chat: bool, options: Options, read: list[Text], asked: list[texts.Question], say: Say) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with Client(served.address, served.model, chat, served.name) as client:
        tokenized = [await client.tokenize(text) for text in read]
        context = found["context"] = tokenized[0][1]
        longest = min(options.max_text_tokens, context - 1)
        cut = [tokens[:longest] for tokens, _ in tokenized]
        if options.quality:
            found["positions"] = await _positions(client, [tokens for tokens in cut if len(tokens) > 1], _listed(options), say)
            if asked:
                found["answers"] = await answers.ask(client, asked, context, say)
        if options.speed:
            stock = [token for tokens in cut for token in tokens]
            found["loads"] = tuple([await speed.load(client, stock, context, c, options, say) for c in options.concurrency])
    return found


async def _positions(client: Client, tokenized: list[list[int]], listed: int, say: Say) -> Positions:
    """One text at a time: in a batch a text's figures could depend, in the last bits, on its neighbours."""
    if not tokenized:
        raise EvaluationError("the texts have no token after their first one: there is nothing to predict; give longer texts")
    places: list[Place] = []
    for number, tokens in enumerate(tokenized, 1):
        places += await client.logprobs(tokens, listed)
        if number % 16 == 0 or number == len(tokenized):
            say(f"logprobs of text {number} of {len(tokenized)}")
    return Positions.build(
        [len(tokens) - 1 for tokens in tokenized],
        [token for tokens in tokenized for token in tokens[1:]],
        [place.actual for place in places],
        (place.listed for place in places),
        listed + 1,  # the token that stands there comes on top where it is none of them
    )


def _no_generator(folder: Path) -> str:
    """What the model is instead of one that generates text, as far as its small files tell; serving it tells the rest."""
    named = sizes.checkpoint_config(folder).get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    if (folder / "modules.json").is_file() or re.search(r"ForMaskedLM$|EmbeddingModel$|^(Xlm)?(Bert|Roberta)Model$", architecture):
        return "an embedding model"
    return "a classifier" if re.search(r"Classification$|RewardModel$", architecture) else ""


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    for name in ("tokenizer_config.json", "chat_template.json"):
        file = folder / name
        if file.is_file() and '"chat_template"' in file.read_text(encoding="utf-8", errors="replace"):
            return True
    return False
