"""A tokenizer of words, without a server: what it counts can be read off a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class WordTokenizer:
    """A token is a word of up to `size` letters; longer words are more tokens. A chat costs `chat` tokens more."""

    def __init__(self, size: int = 100, chat: int = 4, joins: bool = False) -> None:
        self.name, self.size, self.chat, self.joins = "words", size, chat, joins
        self.known: dict[str, int] = {}
        self.calls = 0

    async def encode(self, text: str) -> list[int]:
        self.calls += 1
        ids = [len(word) for word in text.split() for _ in range(0, len(word), self.size)]
        return ids[: len(ids) - text.count("a b")] if self.joins else ids  # a tokenizer that does not split at every space

    async def decode(self, ids: Sequence[int]) -> str:
        return " ".join("x" * number for number in ids)

    async def prompt_tokens(self, text: str) -> int:
        return len(await self.encode(text)) + 1

    async def chat_tokens(self, messages: Sequence[dict[str, Any]]) -> int:
        return len(await self.encode(" ".join(message["content"] for message in messages))) + self.chat

    async def vocabulary(self) -> Sequence[int]:
        return range(10, 1000)
