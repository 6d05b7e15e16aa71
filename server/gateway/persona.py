"""A persona: a request rewritten with another model, a system prompt and sampling defaults."""

from __future__ import annotations

import msgspec

from server.errors import InvalidRequest
from server.gateway.body import Fields, absent, fields_of, join, raw
from server.settings import Persona

CHAT, COMPLETIONS, RESPONSES, TOKENIZE = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/tokenize"
GENERATES = (CHAT, COMPLETIONS, RESPONSES)
_SAMPLING = ("temperature", "top_p", "top_k", "seed", "stop")
_LENGTH = {CHAT: ("max_completion_tokens", "max_tokens"), COMPLETIONS: ("max_tokens",), RESPONSES: ("max_output_tokens",)}


def rename(body: bytes, model: str) -> bytes:
    """`body` with another (or a first) `model`."""
    fields = fields_of(body)
    fields["model"] = raw(model)
    return join(fields)


def apply(persona: Persona, name: str, path: str, body: bytes) -> bytes:
    """`body` as the persona `name` sends it to `path`. Raises InvalidRequest."""
    fields = fields_of(body)
    fields["model"] = raw(persona.model)
    if path in GENERATES:
        _defaults(persona, path, fields)
    if persona.system:
        if path == COMPLETIONS:
            raise InvalidRequest(
                f"'{name}' has a system prompt, which /v1/completions has no place for: "
                f"use /v1/chat/completions, or the model '{persona.model}'.",
                param="model",
            )
        if path == RESPONSES:
            _instructions(persona.system, fields)
        elif path in (CHAT, TOKENIZE):
            _messages(persona.system, fields)
    return join(fields)


def _defaults(persona: Persona, path: str, fields: Fields) -> None:
    for key in _SAMPLING:
        value = getattr(persona, key)
        if value is not None and absent(fields, key):
            fields[key] = raw(value)
    if persona.max_tokens is not None and all(absent(fields, key) for key in _LENGTH[path]):
        fields[_LENGTH[path][-1]] = raw(persona.max_tokens)


def _instructions(system: str, fields: Fields) -> None:
    try:
        own = msgspec.json.decode(fields["instructions"], type=str | None) if "instructions" in fields else None
    except msgspec.DecodeError:
        return  # not a text: the engine says so
    fields["instructions"] = raw(f"{system}\n\n{own}" if own else system)


def _messages(system: str, fields: Fields) -> None:
    """Put `system` first. It joins the client's own leading system message: many chat templates take only one."""
    try:
        messages = msgspec.json.decode(fields.get("messages", b"null"), type=list[msgspec.Raw])
        first = msgspec.json.decode(messages[0], type=Fields) if messages else {}
        role = msgspec.json.decode(first["role"], type=str) if "role" in first else ""
        content = msgspec.json.decode(first["content"], type=str | list[msgspec.Raw]) if "content" in first else ""
    except msgspec.DecodeError:
        return  # not messages: the engine says what is wrong
    if role in ("system", "developer"):
        if isinstance(content, str):
            first["content"] = raw(f"{system}\n\n{content}" if content else system)
        else:
            first["content"] = raw([{"type": "text", "text": f"{system}\n\n"}, *content])
        messages[0] = msgspec.Raw(join(first))
    else:
        messages.insert(0, raw({"role": "system", "content": system}))
    fields["messages"] = raw(messages)
