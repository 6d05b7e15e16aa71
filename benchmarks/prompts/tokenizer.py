"""The tokenizer that prompts are made and answers are counted with: a folder's own, or the server's /tokenize."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.target import Target

Message = dict[str, Any]  # {"role": ..., "content": ...}


class Tokenizer(Protocol):
    name: str  # for people: "server /tokenize", or the folder
    known: dict[str, int]  # what fill.py counted before, kept so that a second level of load costs nothing

    async def encode(self, text: str) -> list[int]:
        """The ids of `text`, without the special tokens (BOS ...) that the engine puts around a prompt."""
        ...

    async def decode(self, ids: Sequence[int]) -> str: ...

    async def prompt_tokens(self, text: str) -> int:
        """What the engine makes of `text` as a prompt of /v1/completions: with its special tokens."""
        ...

    async def chat_tokens(self, messages: Sequence[Message]) -> int:
        """What the engine makes of a chat: after the chat template, the answer's opening included."""
        ...

    async def vocabulary(self) -> Sequence[int]:
        """Ids that a prompt may hold, special ones left out."""
        ...


async def find(target: Target, model: str, local: Path | None) -> Tokenizer:
    """The tokenizer in the folder `local`, else the server's. Raises BenchUsageError where there is neither."""
    from benchmarks.prompts.local import LocalTokenizer
    from benchmarks.prompts.remote import ServerTokenizer

    if local is not None:
        return LocalTokenizer(local)
    tokenizer = ServerTokenizer(target, model)
    if problem := await tokenizer.problem():
        raise BenchUsageError(
            f"there is no tokenizer to make prompts with: the server {problem}. "
            "Name the folder of the model (the one with tokenizer.json): --tokenizer FOLDER"
        )
    return tokenizer


def seen_ids(texts: Iterable[Sequence[int]]) -> list[int]:
    """The distinct ids, in order."""
    return sorted({number for ids in texts for number in ids})
