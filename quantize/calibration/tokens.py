"""From samples to token ids, as the engine would see them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from quantize.calibration.rows import Chat, Row, Text
from quantize.errors import SourceError
from quantize.source import Source

SHORTEST = 16  # tokens of a text's later window that is worth a sample


class Tokenizer(Protocol):
    """What is used of transformers' tokenizer."""

    def __call__(self, text: str, *, add_special_tokens: bool) -> Mapping[str, Any]: ...
    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], **options: Any) -> Any: ...


def tokenizer(source: Source) -> Tokenizer:
    """The model's own. Raises SourceError where it cannot be loaded."""
    from transformers import AutoTokenizer

    logging.getLogger("transformers.tokenization_utils_base").setLevel(logging.ERROR)  # "sequence length is longer than ..."
    try:
        found: Any = AutoTokenizer.from_pretrained(source.path)
    except Exception as error:  # of several libraries, by the tokenizer's kind
        raise SourceError(f"the tokenizer in {source.path} cannot be loaded ({error}): copy the tokenizer's files again") from None
    encoder: Tokenizer = found
    return encoder


class Encoder:
    """Turns samples into token ids of at most `length`; `refused` counts the reasons for which the chat template took none."""

    def __init__(self, tokenizer: Tokenizer, template: bool, length: int):
        self._tokenizer, self._template, self._length = tokenizer, template, length
        self.refused: Counter[str] = Counter()
        self.plain = 0  # chats rendered without a template

    def encode(self, row: Row) -> list[list[int]]:
        """The windows of a text; a chat's beginning alone, since a template's marks stand at its turns. Empty where refused."""
        if isinstance(row, Text):
            return self._windows(row.text)
        if not self._template:
            self.plain += 1
            return self._windows("\n\n".join(_plain(message.get("content")) for message in row.messages))[:1]
        text = self._rendered(row)
        return [self._ids(text, special=False)[: self._length]] if text else []

    def _windows(self, text: str) -> list[list[int]]:
        ids = self._ids(text, special=True)
        windows = [ids[start : start + self._length] for start in range(0, len(ids), self._length)]
        return [window for number, window in enumerate(windows) if number == 0 or len(window) >= SHORTEST]

    def _ids(self, text: str, special: bool) -> list[int]:
        return [int(token) for token in self._tokenizer(text, add_special_tokens=special)["input_ids"]]

    def _rendered(self, row: Chat) -> str:
        """The chat by the model's template. Some take no system message: its text then goes before the first question."""
        failure: Exception | None = None
        for messages in (list(row.messages), _without_system(row.messages)):
            try:
                return str(
                    self._tokenizer.apply_chat_template(
                        messages,
                        tools=list(row.tools) or None,
                        tokenize=False,
                        add_generation_prompt=messages[-1]["role"] != "assistant",
                    )
                )
            except Exception as error:  # whatever a template raises: TemplateError, TypeError, KeyError
                failure = failure or error
        self.refused[str(failure).splitlines()[0] if str(failure) else type(failure).__name__] += 1
        return ""


def _without_system(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    kept = [message for message in messages if message["role"] not in ("system", "developer")]
    system = "\n\n".join(_plain(m.get("content")) for m in messages if m["role"] in ("system", "developer"))
    first = next((number for number, message in enumerate(kept) if message["role"] == "user"), None)
    if system and first is not None:
        kept[first] = {**kept[first], "content": f"{system}\n\n{_plain(kept[first].get('content'))}"}
    return kept or list(messages)


def _plain(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content or "")
