"""A model's chat template, rendered as the transformers library renders it (`utils/chat_template_utils.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class ChatTemplate:
    """The template of a folder: chat_template.jinja, else tokenizer_config.json, else chat_template.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template: Any = None
        self._special: dict[str, str] = {}

    def render(self, messages: Sequence[dict[str, Any]]) -> str:
        """The prompt of `messages`, the answer's opening included. Raises BenchUsageError: no template, or one that refuses them."""
        from jinja2 import TemplateError

        try:
            if self._template is None:
                self._template, self._special = _compile(self._source()), _special(self.folder)
            return str(
                self._template.render(messages=list(messages), add_generation_prompt=True, tools=None, documents=None, **self._special)
            )
        except TemplateError as error:
            raise BenchUsageError(
                f"the chat template in {self.folder} cannot render the prompts: {error}. "
                "Leave --tokenizer out to ask the server, or measure --endpoint completions"
            ) from None

    def _source(self) -> str:
        file = self.folder / "chat_template.jinja"
        if file.is_file():
            return file.read_text(encoding="utf-8")
        for name in ("tokenizer_config.json", "chat_template.json"):
            found = _json(self.folder / name).get("chat_template")
            if isinstance(found, list):  # named templates; a chat takes "default"
                found = next((entry.get("template") for entry in found if entry.get("name") == "default"), None)
            if found:
                return str(found)
        raise BenchUsageError(
            f"{self.folder} has no chat template, so the length of a chat is not known: "
            "write --endpoint completions, or leave --tokenizer out to ask the server"
        )


def _special(folder: Path) -> dict[str, str]:
    """The special tokens that a template may name."""
    config = _json(folder / "special_tokens_map.json") | _json(folder / "tokenizer_config.json")
    found = {key: config.get(key) for key in SPECIAL}
    return {key: str(value["content"] if isinstance(value, dict) else value) for key, value in found.items() if value}


def _json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BenchUsageError(f"{file} cannot be read ({error}): copy it from the model anew") from None
    return data if isinstance(data, dict) else {}


def _compile(source: str) -> Any:
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the assistant's part for training; here it changes nothing."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment.from_string(source)
