"""A tokenizer from a model's folder: tokenizer.json through the `tokenizers` library, the chat template through Jinja."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.prompts.template import ChatTemplate
from benchmarks.prompts.tokenizer import Message


class LocalTokenizer:
    """Counts as the engine does that serves the same folder. Raises BenchUsageError for a folder that holds no tokenizer."""

    def __init__(self, folder: Path) -> None:
        folder = folder.expanduser()
        file = folder if folder.name == "tokenizer.json" else folder / "tokenizer.json"
        if not file.is_file():
            raise BenchUsageError(
                f"--tokenizer {folder}: there is no tokenizer.json in it; name the folder of the model, "
                "or leave --tokenizer out to ask the server"
            )
        try:
            from tokenizers import Tokenizer as Library
        except ImportError:
            raise BenchError(
                f"--tokenizer {folder} needs the Python package tokenizers, which this environment lacks: "
                "pip install tokenizers, or leave --tokenizer out to ask the server"
            ) from None
        try:
            self._library: Any = Library.from_file(str(file))
        except Exception as error:  # the library raises bare Exception
            raise BenchUsageError(f"{file} is no tokenizer that can be read ({error}): copy it from the model anew") from None
        self._library.no_truncation()
        self._library.no_padding()
        self._template = ChatTemplate(file.parent)
        self.name = str(folder)
        self.known: dict[str, int] = {}

    def _count(self, text: str, special: bool) -> list[int]:
        return list(self._library.encode(text, add_special_tokens=special).ids)

    async def encode(self, text: str) -> list[int]:
        return self._count(text, special=False)

    async def decode(self, ids: Sequence[int]) -> str:
        return str(self._library.decode(list(ids), skip_special_tokens=False))

    async def prompt_tokens(self, text: str) -> int:
        return len(self._count(text, special=True))

    async def chat_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._count(self._template.render(messages), special=False))

    async def vocabulary(self) -> Sequence[int]:
        special = set(self._library.get_added_tokens_decoder())
        return sorted(set(self._library.get_vocab(with_added_tokens=False).values()) - special)
