"""The tokenizer of the server under measurement: vLLM's /tokenize and /detokenize, which `sllm serve` passes on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.loadgen.client import ask
from benchmarks.loadgen.target import Target
from benchmarks.prompts.texts import LANGUAGES
from benchmarks.prompts.tokenizer import Message, seen_ids

SECONDS = 30.0
Asked = Callable[..., Awaitable[tuple[int, bytes]]]


class ServerTokenizer:
    """Counts by asking. Its vocabulary is what ordinary text in English and Korean encodes to: a server does not tell its whole one."""

    name = "server /tokenize"

    def __init__(self, target: Target, model: str) -> None:
        self.target, self.model = target, model
        self.known: dict[str, int] = {}
        self._vocabulary: list[int] = []

    async def problem(self) -> str | None:
        """What keeps this server's tokenizer from being used, as the end of a sentence; None: nothing does."""
        for path, body in (("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})):
            status, answer = await self._ask(path, body)
            if status != 200:
                return f"has no {path} (status {status}{_words(answer)})"
        return None

    async def encode(self, text: str) -> list[int]:
        return list(await self._get("/tokenize", {"prompt": text, "add_special_tokens": False}, "tokens"))

    async def decode(self, ids: Sequence[int]) -> str:
        return str(await self._get("/detokenize", {"tokens": list(ids)}, "prompt"))

    async def prompt_tokens(self, text: str) -> int:
        return int(await self._get("/tokenize", {"prompt": text}, "count"))

    async def chat_tokens(self, messages: Sequence[Message]) -> int:
        return int(await self._get("/tokenize", {"messages": list(messages)}, "count"))

    async def vocabulary(self) -> Sequence[int]:
        if not self._vocabulary:
            self._vocabulary = seen_ids([await self.encode(text) for texts in LANGUAGES.values() for text in texts])
        return self._vocabulary

    async def _ask(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        data = json.dumps({"model": self.model, **body}, ensure_ascii=True).encode()
        return await ask(self.target, "POST", path, data, timeout=SECONDS)

    async def _get(self, path: str, body: dict[str, Any], key: str) -> Any:
        status, answer = await self._ask(path, body)
        try:
            if status == 200:
                return json.loads(answer)[key]
            problem = f"status {status}{_words(answer)}"
        except (ValueError, LookupError, TypeError):
            problem = f"an answer without '{key}'"
        raise BenchError(f"the server's {path} stopped being of use: {problem}. Name the folder of the model instead: --tokenizer FOLDER")


def _words(answer: bytes) -> str:
    """The server's own words, as the end of a parenthesis."""
    try:
        message = json.loads(answer)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return ""
    return f": {str(message)[:200]}"
