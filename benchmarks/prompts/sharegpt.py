"""The ShareGPT format: a JSON list of {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}.

The prompt is the first turn of a person, the answer that follows gives the output's length. What vLLM's bench leaves out is left out
here: prompts or answers under LEAST tokens, prompts above MOST_INPUT, both together above MOST (or above the model's own limit).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TextIO, TypeVar

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.fill import together, user
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.synthetic import Prompt
from benchmarks.prompts.tokenizer import Tokenizer

LEAST, MOST_INPUT, MOST = 4, 1024, 2048  # tokens; vllm/benchmarks/datasets, is_valid_sequence
PEOPLE, MODELS = ("human", "user"), ("gpt", "assistant", "chatgpt", "bing", "bard")
PIECE = 1 << 20  # characters read at a time
LARGEST = 64 << 20  # characters of one entry
AT_A_TIME = 64  # entries that are counted before the next look at whether they suffice
SPARE = 4  # entries that a random sample takes for each that is wanted: some are left out
T = TypeVar("T")
Turns = tuple[int, str, str]  # the entry's number from 1, question, answer


async def sharegpt(options: PromptOptions, tokenizer: Tokenizer, count: int, seed: int, notes: list[str]) -> list[Prompt]:
    """At most `count` prompts; what is left out is told in `notes`, with its number. Raises BenchUsageError when nothing is left."""
    assert options.file is not None
    left: dict[str, list[int]] = defaultdict(list)
    source: Iterator[Turns] = turns(options.file, left)
    if options.shuffle:
        source = iter(sample(source, count * SPARE, random.Random(f"sharegpt {seed}")))
    found: list[Prompt] = []
    lengths = random.Random(f"lengths {seed}")
    while len(found) < count:
        some = list(islice(source, AT_A_TIME))
        if not some:
            break
        for (number, _, _), prompt in zip(some, await together(_prompt(options, tokenizer, entry, lengths) for entry in some), strict=True):
            if isinstance(prompt, str):
                left[prompt].append(number)
            elif len(found) < count:
                found.append(prompt)
    told = "; ".join(f"{len(numbers)} {why} ({shown(numbers)})" for why, numbers in left.items())
    if not found:
        raise BenchUsageError(f"{options.file} has no entry that can be asked{': ' + told if told else ''}")
    if told:
        notes.append(f"{options.file}: entries left out: {told}")
    return found


async def _prompt(options: PromptOptions, tokenizer: Tokenizer, entry: Turns, lengths: random.Random) -> Prompt | str:
    """A prompt, or why there is none."""
    _, question, answer = entry
    chat = options.endpoint == "chat"
    tokens = await (tokenizer.chat_tokens(user(question)) if chat else tokenizer.prompt_tokens(question))
    given = options.output_tokens is not None
    output = options.output.draw(lengths) if given else len(await tokenizer.encode(answer))
    if tokens < LEAST or (output < LEAST and not given):
        return f"shorter than {LEAST} tokens"
    if tokens > MOST_INPUT:
        return f"with a prompt longer than {MOST_INPUT} tokens"
    most = min(MOST, options.max_model_len or MOST)
    if tokens + output > most:
        return f"longer than {most} tokens with the answer"
    return Prompt(user(question) if chat else question, tokens, output)


def shown(numbers: list[int], one: str = "entry", more: str = "entries") -> str:
    return (f"{one} " if len(numbers) == 1 else f"{more} ") + ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")


def sample(source: Iterator[T], size: int, rng: random.Random) -> list[T]:
    """A uniform sample of one pass over `source` (Vitter's algorithm R), in random order."""
    kept: list[T] = []
    for seen, entry in enumerate(source):
        if len(kept) < size:
            kept.append(entry)
        elif (place := rng.randrange(seen + 1)) < size:
            kept[place] = entry
    rng.shuffle(kept)
    return kept


def turns(file: Path, left: dict[str, list[int]]) -> Iterator[Turns]:
    """Question and answer of each entry; the numbers of those without go into `left`."""
    for number, entry in enumerate(entries(file), start=1):
        found = _turns(entry)
        if found is None:
            left["without a question and its answer"].append(number)
        else:
            yield number, *found


def _turns(entry: Any) -> tuple[str, str] | None:
    said = entry.get("conversations") if isinstance(entry, dict) else None
    if not isinstance(said, list) or not all(isinstance(turn, dict) for turn in said):
        return None
    for first, second in pairwise(said):
        question, answer = first.get("value", first.get("content")), second.get("value", second.get("content"))
        if (
            first.get("from", first.get("role")) in PEOPLE
            and second.get("from", second.get("role")) in MODELS
            and isinstance(question, str)
            and isinstance(answer, str)
            and question.strip()
            and answer.strip()
        ):
            return question, answer
    return None


def entries(file: Path, piece: int = PIECE) -> Iterator[Any]:
    """The entries of a JSON list, read in pieces of so many characters: the usual files are 600 MB. Raises BenchUsageError."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            yield from _entries(file, opened, piece)
    except OSError as error:
        raise BenchUsageError(f"--file {file}: {error.strerror or error}; write the path of a ShareGPT file") from None
    except UnicodeDecodeError:
        raise BenchUsageError(f"--file {file} is not UTF-8 text: convert it, or choose another file") from None


def _entries(file: Path, opened: TextIO, piece: int) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    rest = ""
    while not rest and (more := opened.read(piece)):
        rest = more.lstrip()
    if not rest.startswith("["):
        raise BenchUsageError(f"--file {file} does not begin with '[': ShareGPT is one JSON list; for a line each write --dataset jsonl")
    rest, number, ended = rest[1:], 0, False
    while True:
        rest = rest.lstrip(", \t\r\n")
        if rest.startswith("]"):
            return
        try:
            entry, end = decoder.raw_decode(rest)
        except ValueError as error:
            more = "" if ended or len(rest) > LARGEST else opened.read(max(piece, len(rest)))
            if not more:
                raise BenchUsageError(
                    f"--file {file}: entry {number + 1} is broken JSON ({error}): repair it or end the list before it"
                ) from None
            rest += more
            continue
        number += 1
        yield entry
        rest = rest[end:]
