"""Made prompts: random token ids, random words, or ordinary prose, of a wanted length, with shared beginnings where asked."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.fill import Count, Words, around, together, user
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.tokenizer import Message, Tokenizer


@dataclass(frozen=True)
class Prompt:
    """One prompt, before it is a request."""

    content: list[int] | str | list[Message]  # token ids, a text, or a chat
    input_tokens: int = 0
    output_tokens: int = 0  # 0: no limit of its own
    group: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # fields of the body that it brings along


async def synthetic(options: PromptOptions, tokenizer: Tokenizer, count: int, seed: int, notes: list[str]) -> list[Prompt]:
    """`count` prompts, the same for the same seed; of a group's prompts all begin with the same `prefix_tokens` tokens.

    Raises BenchUsageError where the length is too short for the chat template.
    """
    rng = random.Random(f"lengths {seed}")
    outputs = [options.output.draw(rng) for _ in range(count)]
    inputs = [options.input.draw(rng) for _ in range(count)]
    groups = [place % options.prefix_groups for place in range(count)]
    rng.shuffle(groups)
    if options.endpoint == "completions" and options.dataset == "random" and options.token_ids:
        contents = await _ids(options, tokenizer, inputs, groups, seed)
    else:
        contents = await _texts(options, tokenizer, inputs, groups, seed, notes)
    return [
        Prompt(content, real, output, f"prefix {group + 1}" if options.prefix_tokens else "")
        for (content, real), output, group in zip(contents, outputs, groups, strict=True)
    ]


def _of_group(seed: int, group: int) -> random.Random:
    """The randomness of a group's prefix: it does not depend on how many requests there are."""
    return random.Random(f"prefix {seed} {group}")


async def _ids(
    options: PromptOptions, tokenizer: Tokenizer, inputs: list[int], groups: list[int], seed: int
) -> list[tuple[list[int] | str | list[Message], int]]:
    vocabulary = await tokenizer.vocabulary()
    prefixes = [_of_group(seed, group).choices(vocabulary, k=options.prefix_tokens) for group in range(options.prefix_groups)]
    rng = random.Random(f"ids {seed}")
    return [
        (prefixes[group] + rng.choices(vocabulary, k=length), options.prefix_tokens + length)
        for length, group in zip(inputs, groups, strict=True)
    ]


async def _texts(
    options: PromptOptions, tokenizer: Tokenizer, inputs: list[int], groups: list[int], seed: int, notes: list[str]
) -> list[tuple[list[int] | str | list[Message], int]]:
    words = Words(tokenizer, options.language)
    await words.count()
    tokens: Count = tokenizer.prompt_tokens if options.endpoint == "completions" else lambda text: tokenizer.chat_tokens(user(text))
    besides = await around(words, tokens)
    if options.input_tokens <= besides:
        raise BenchUsageError(
            f"--input-tokens {options.input_tokens} is too short: the chat template alone takes {besides}; write {besides + 1} or more, "
            "or --endpoint completions"
        )
    prefixes = [await _prefix(words, options, _of_group(seed, group)) for group in range(options.prefix_groups)]

    async def one(place: int) -> tuple[str, int]:
        rng = random.Random(f"text {seed} {place}")
        source = words.prose(rng) if options.dataset == "text" else words.random(rng)
        target = options.prefix_tokens + max(inputs[place], besides + 1)
        return await words.fit(target, besides, tokens, source, rng, prefixes[groups[place]])

    found = await together(one(place) for place in range(len(inputs)))
    wanted = [options.prefix_tokens + max(length, besides + 1) for length in inputs]
    if wrong := sum(real != want for (_, real), want in zip(found, wanted, strict=True)):
        notes.append(f"{wrong} of {len(found)} prompts are not of the exact length: no text of it was found; their real length is counted")
    return [(user(text) if options.endpoint == "chat" else text, real) for text, real in found]


async def _prefix(words: Words, options: PromptOptions, rng: random.Random) -> list[str]:
    return await words.of(options.prefix_tokens, words.random(rng), rng) if options.prefix_tokens else []
