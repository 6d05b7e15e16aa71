"""A prompt, a conversation or a row made a request for one endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from server.batch.base import BadLine, Line
from server.batch.request import EXAMPLE, Limits, kind, string
from server.batch.template import Missing, Template, as_text, named
from server.errors import UsageError

CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"
IDS = ("custom_id", "id")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])

Values = dict[str, Any]


class Bad(Exception):
    """(code, text, param) of a line that makes no request."""


@dataclass(frozen=True)
class Shape:
    """What is asked of each line that is no OpenAI batch line. `defaults` go into bodies that lack them. Raises UsageError."""

    url: str = CHAT
    model: str | None = None
    system: str | None = None
    template: Template | None = None
    defaults: Values = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.system is not None and self.url not in (CHAT, RESPONSES):
            raise UsageError(f"--system has no place in a request to {self.url}: put the words into --prompt.")

    def of_object(self, raw: bytes, number: int) -> Line | BadLine:
        """A JSON line with `messages`, `prompt` or `input`, whose other keys go into the body; with a template: any object."""
        try:
            fields: Values = dict(_fields.decode(raw))
        except (msgspec.DecodeError, RecursionError):
            return BadLine(number, None, "invalid_json_line", f"Line {number}: it must be a JSON object, not {kind(raw)}.")
        custom_id = _id(fields, number)
        if self.template is not None:
            return self.of_row(fields, number)
        for name in IDS:
            fields.pop(name, None)
        return self._made(number, custom_id, lambda: self._body(fields))

    def of_row(self, row: Values, number: int) -> Line | BadLine:
        """A row of a table, by the template."""
        return self._made(number, _id(row, number), lambda: self._asked(self._filled(row)))

    def of_messages(self, row: Values, number: int) -> Line | BadLine:
        """A row of a table with a column `messages`."""
        messages = msgspec.Raw(msgspec.json.encode(row.get("messages"), enc_hook=str))
        return self._made(number, _id(row, number), lambda: self._conversation(messages))

    def of_text(self, text: str, number: int) -> Line | BadLine:
        """A line of a plain text, with or without a template for {text}."""
        return self._made(number, f"line-{number}", lambda: self._asked(self._filled({"text": text}) if self.template else text))

    def _made(self, number: int, custom_id: str, make: Callable[[], Values]) -> Line | BadLine:
        try:
            fields: Values = make()
            named = string_of(fields.get("model")) or self.model
            if not named:
                raise Bad("missing_required_parameter", "no model is named: add --model NAME.", "body.model")
            body = msgspec.json.encode({"model": named} | {name: value for name, value in fields.items() if name != "model"})
        except Bad as bad:
            code, text, param = bad.args
            return BadLine(number, custom_id, code, f"Line {number}: {text}", param)
        except Missing as missing:
            return BadLine(number, custom_id, "missing_value", f"Line {number}: {missing}")
        except (UnicodeError, ValueError, RecursionError) as error:
            return BadLine(number, custom_id, "invalid_value", f"Line {number} has a value that cannot be sent: {error}.")
        if len(body) > self.limits.max_line:
            text = f"Line {number} makes a request of more than {self.limits.max_line:,} bytes: make it shorter, or raise `batch.max_line`."
            return BadLine(number, custom_id, "line_too_long", text)
        return Line(number, custom_id, self.url, named, body)

    def _filled(self, row: Values) -> str:
        assert self.template is not None
        return self.template.fill(row)

    def _asked(self, prompt: str) -> Values:
        if self.url == CHAT:
            asked: Values = {"messages": [*self._first(), {"role": "user", "content": prompt}]}
        elif self.url == RESPONSES:
            asked = {"input": prompt} | ({} if self.system is None else {"instructions": self.system})
        else:
            asked = {"input" if self.url == EMBEDDINGS else "prompt": prompt}
        return asked | self.defaults

    def _first(self) -> list[Values]:
        return [] if self.system is None else [{"role": "system", "content": self.system}]

    def _body(self, fields: Values) -> Values:
        """The body of a JSON line: what is asked, then the line's other keys, then the defaults that it lacks."""
        if bytes(fields.get("stream", b"")) not in (b"", b"false", b"null"):
            raise Bad("unsupported_parameter", "'stream' is on, and a batch has nobody to stream to: leave it out.", "stream")
        if "messages" in fields:
            asked = self._conversation(fields.pop("messages"))
        elif "prompt" in fields:
            asked = self._prompted(fields.pop("prompt"))
        elif "input" in fields and self.url in (EMBEDDINGS, RESPONSES):
            asked = {"input": fields.pop("input")}
            if self.url == RESPONSES and self.system is not None:
                asked["instructions"] = self.system
            asked |= self.defaults
        else:
            text = (
                f"it has neither 'messages' nor 'prompt' nor 'body', but {named(fields)}: add --prompt with {{column}}, or write {EXAMPLE}."
            )
            raise Bad("missing_required_parameter", text, None)
        return asked | fields

    def _prompted(self, prompt: msgspec.Raw) -> Values:
        text = string(prompt)
        if text is not None:
            return self._asked(text)
        if self.url in (COMPLETIONS, EMBEDDINGS) and bytes(prompt)[:1] == b"[":  # token ids, or several texts
            return {"prompt" if self.url == COMPLETIONS else "input": prompt} | self.defaults
        raise Bad("invalid_type", f"'prompt' must be a string, not {kind(prompt)}.", "prompt")

    def _conversation(self, messages: msgspec.Raw) -> Values:
        if self.url not in (CHAT, RESPONSES):
            raise Bad("invalid_url", f"'messages' are for {CHAT}, not {self.url}: write 'prompt', or leave --endpoint out.", "messages")
        try:
            items = _items.decode(messages)
        except msgspec.DecodeError:
            raise Bad("invalid_type", f"'messages' must be an array, not {kind(messages)}.", "messages") from None
        if not items:
            raise Bad("invalid_type", "'messages' is empty: write at least one message.", "messages")
        first = [] if _is_system(items[0]) else self._first()
        return {"messages" if self.url == CHAT else "input": [*first, *items] if first else messages} | self.defaults


def string_of(value: object) -> str | None:
    if isinstance(value, msgspec.Raw):
        if string(value) is None and bytes(value) != b"null":
            raise Bad("invalid_type", f"'model' must be the name of a model, not {kind(value)}.", "body.model")
        return string(value)
    return value if isinstance(value, str) else None


def _id(row: Values, number: int) -> str:
    """The id that a row names, else `line-N`."""
    for name in IDS:
        value = row.get(name)
        if isinstance(value, msgspec.Raw):
            value = None if bytes(value) == b"null" else as_text(value)
        if value is not None and value != "":
            try:
                return as_text(value)
            except (UnicodeError, ValueError):
                continue
    return f"line-{number}"


def _is_system(message: msgspec.Raw) -> bool:
    try:
        return string(_fields.decode(message)["role"]) in ("system", "developer")
    except (msgspec.DecodeError, KeyError):
        return False
