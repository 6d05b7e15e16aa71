"""Texts of an exact number of tokens.

Each word is counted once (after a space, as it stands in a text); words are then put together until their counts reach the length.
That is right for nearly every tokenizer, since they split at spaces first. The whole prompt is counted all the same, and put right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.texts import LANGUAGES
from benchmarks.prompts.tokenizer import Tokenizer

T = TypeVar("T")
AT_ONCE = 16  # requests to the tokenizer that are open at a time
TRIES = 8
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz0123456789,.")  # one token each nearly everywhere: they fill what words leave
Count = Callable[[str], Awaitable[int]]  # tokens of a whole prompt with this text in it


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """Results in order, at most AT_ONCE at a time; the first error ends it."""
    waiting = iter(enumerate(work))
    done: dict[int, T] = {}

    async def one_after_the_other() -> None:
        for place, item in waiting:
            done[place] = await item

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_the_other())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [done[place] for place in sorted(done)]


class Words:
    """The words of a language with their token counts."""

    def __init__(self, tokenizer: Tokenizer, language: str) -> None:
        self.tokenizer, self.language = tokenizer, language
        self.texts = LANGUAGES[language]
        self.words = sorted({word for text in self.texts for word in text.split()})
        self.fillers: list[str] = []

    async def count(self) -> None:
        """Count what this tokenizer has not counted yet. Raises BenchUsageError for a tokenizer that cannot tell words apart."""
        known = self.tokenizer.known
        new = [word for word in (*self.words, *LETTERS) if word not in known]
        for word, size in zip(new, await together(self.sized(word) for word in new), strict=True):
            known[word] = size
        self.fillers = [word for word in (*LETTERS, *self.words) if known[word] == 1]
        self.words = [word for word in self.words if known[word] > 0]
        if not self.words:
            raise BenchUsageError(f"the tokenizer {self.tokenizer.name} makes nothing of {self.language} text: choose another --language")

    def random(self, rng: Random) -> Iterator[str]:
        while True:
            yield rng.choice(self.words)

    def prose(self, rng: Random) -> Iterator[str]:
        """Paragraphs in random order, after a random number, so that no two prompts begin alike (a prefix cache would help)."""
        yield from rng.choices(LETTERS[26:36], k=8)  # digit by digit: words that are counted already
        while True:
            for text in rng.sample(self.texts, len(self.texts)):
                yield from text.split()

    async def sized(self, word: str) -> int:
        """Tokens of one word after a space."""
        known = self.tokenizer.known
        if "" not in known:
            known[""] = len(await self.tokenizer.encode("x"))
        return len(await self.tokenizer.encode(f"x {word}")) - known[""]

    async def of(self, budget: int, source: Iterator[str], rng: Random) -> list[str]:
        """Words from `source` whose counts add up to `budget`; what the next word is too long for is filled with single tokens."""
        found: list[str] = []
        known = self.tokenizer.known
        for word in source:
            size = known[word] if word in known else await self.sized(word)
            if size > budget:
                break
            found.append(word)
            budget -= size
        return found + (rng.choices(self.fillers, k=budget) if self.fillers else [])

    async def fit(
        self, target: int, around: int, count: Count, source: Iterator[str], rng: Random, prefix: Sequence[str] = ()
    ) -> tuple[str, int]:
        """A text for a prompt of `target` tokens in all, and how many it really has (the nearest of TRIES tries).

        `around`: tokens of the prompt besides its words (chat template, BOS). `prefix`: the words it begins with.
        """
        known = self.tokenizer.known
        budget = target - around - sum(known[word] for word in prefix)
        own = await self.of(budget, source, rng)
        best: tuple[str, int] | None = None
        for _ in range(TRIES):
            text = " ".join((*prefix, *own))
            real = await count(text)
            if best is None or abs(real - target) < abs(best[1] - target):
                best = (text, real)
            counted = sum(known.get(word, 1) for word in (*prefix, *own))
            more = round((target - real) * counted / max(1, real - around))  # in tokens as words are counted
            if more == 0:
                break
            own = self.changed(own, more, rng)
        assert best is not None
        return best

    def changed(self, words: list[str], by: int, rng: Random) -> list[str]:
        """`words`, longer or shorter by that many tokens at their end."""
        if by > 0:
            return words + rng.choices(self.fillers or self.words, k=by)
        words = list(words)
        while by < 0 and len(words) > 1:
            by += max(1, self.tokenizer.known.get(words.pop(), 1))
        return words + (rng.choices(self.fillers, k=by) if self.fillers else [])


async def around(words: Words, count: Count) -> int:
    """Tokens of a prompt besides its words: of the chat template, of BOS."""
    word = words.words[0]
    return await count(word) - words.tokenizer.known[word]


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]
