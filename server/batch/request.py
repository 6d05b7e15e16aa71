"""One line of an OpenAI batch file: checked strictly, its body kept as bytes.

https://platform.openai.com/docs/api-reference/batch/request-input. The codes are those that OpenAI's own `errors` of a batch use where
they are known: invalid_json_line, missing_required_parameter, invalid_method, invalid_url, duplicate_custom_id, model_not_found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import msgspec

from server.batch.base import ENDPOINTS, BadLine, Line

EXAMPLE = '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., "messages": [...]}}'
SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_lines` None: any number. `max_line` in bytes."""

    max_lines: int | None = None
    max_line: int = 32 * 2**20


class Envelope(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class Body(msgspec.Struct):
    model: str = ""
    stream: bool | None = None


_envelope = msgspec.json.Decoder(Envelope)
_body = msgspec.json.Decoder(Body)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raw = msgspec.json.Decoder(msgspec.Raw)  # parses to the end: strings, escapes, numbers; not whether strings are UTF-8
_string = msgspec.json.Decoder(str)


def read_line(raw: bytes, number: int, limits: Limits, *, urls: tuple[str, ...] = ENDPOINTS, model: str | None = None) -> Line | BadLine:
    """The request on this line, or the first thing that is wrong with it. Never raises.

    `raw` comes without its line end. `model`: for a body that names none; None: each must.
    """
    if len(raw) > limits.max_line:
        return too_long(number, limits)
    try:
        if not raw.isascii():
            raw.decode()
        envelope = _envelope.decode(raw)
        body = _body.decode(envelope.body)
    except UnicodeDecodeError as error:
        return not_utf8(raw, number, error)
    except (msgspec.DecodeError, RecursionError):
        return _diagnosed(raw, number, urls, model)
    if model and not body.model and "model" not in (fields := _fields.decode(envelope.body)):
        envelope.body = msgspec.Raw(msgspec.json.encode({"model": model, **fields}))
        body.model = model
    if envelope.method != "POST" or envelope.url not in urls or body.stream or not body.model:
        return _diagnosed(raw, number, urls, model)
    return Line(number, envelope.custom_id, envelope.url, body.model, bytes(envelope.body))


def too_long(number: int, limits: Limits) -> BadLine:
    text = f"Line {number} is longer than {limits.max_line:,} bytes: make it shorter, or raise `batch.max_line`."
    return BadLine(number, None, "line_too_long", text)


def not_utf8(raw: bytes, number: int, error: UnicodeDecodeError) -> BadLine:
    text = f"Line {number} is not UTF-8: byte {error.start + 1} (0x{raw[error.start]:02x}) does not belong: save the file as UTF-8."
    return BadLine(number, None, "invalid_utf8", text)


def shown(value: str) -> str:
    """A value of the user's inside a message."""
    return json.dumps(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…", ensure_ascii=not value.isprintable())


def _diagnosed(raw: bytes, number: int, urls: tuple[str, ...], model: str | None) -> BadLine:
    """What is wrong with a line that did not read as it should."""

    def bad(code: str, text: str, param: str | None = None) -> BadLine:
        return BadLine(number, custom_id, code, f"Line {number}: {text}", param)

    custom_id: str | None = None
    problem = json_problem(raw)
    if problem:
        return bad("invalid_json_line", f"{problem}; write one JSON object a line.")
    try:
        fields = _fields.decode(raw)
    except RecursionError:
        return bad("invalid_json_line", "it is nested too deeply.")
    except msgspec.DecodeError:
        return bad("invalid_json_line", f"it must be a JSON object, not {kind(raw)}: write {EXAMPLE}.")
    values = {name: string(fields[name]) for name in ("custom_id", "method", "url") if name in fields}
    custom_id = values.get("custom_id")
    for name in ("custom_id", "method", "url", "body"):
        if name not in fields:
            return bad("missing_required_parameter", f"'{name}' is missing: write {EXAMPLE}.", name)
        if name != "body" and values[name] is None:
            return bad("invalid_type", f'\'{name}\' must be a string, not {kind(fields[name])}: write "{name}": "...".', name)
    method, url = values["method"] or "", values["url"] or ""
    if method != "POST":
        return bad("invalid_method", f'\'method\' is {shown(method)}: write "method": "POST".', "method")
    if url in ENDPOINTS and url not in urls:
        here = " or ".join(urls)
        return bad("invalid_url", f"'url' is {url}, and the batch is for {here}: write that, or make another batch for {url}.", "url")
    if url not in urls:
        return bad("invalid_url", f"'url' is {shown(url)}: write {_choice(url, urls)}.", "url")
    code, text, param = _body_problem(fields["body"], model)
    return bad(code, text, param)


def _body_problem(raw: msgspec.Raw, model: str | None) -> tuple[str, str, str]:
    try:
        body = _fields.decode(raw)
    except msgspec.DecodeError:
        return "invalid_type", f'\'body\' must be a JSON object, not {kind(raw)}: write "body": {{"model": ..., ...}}.', "body"
    if "model" not in body and not model:
        return "missing_required_parameter", "'model' is missing in 'body': write \"body\": {\"model\": ..., ...}.", "body.model"
    if "model" in body and not string(body["model"]):
        what = "an empty string" if string(body["model"]) == "" else kind(body["model"])
        return "invalid_type", f"'body.model' must be the name of a model, not {what}.", "body.model"
    if "stream" not in body:
        return "invalid_json_line", "'body' is nested too deeply.", "body"
    if bytes(body["stream"]) == b"true":
        text = "'stream' is true, and a batch has nobody to stream to: write \"stream\": false or leave it out."
        return "unsupported_parameter", text, "body.stream"
    return "invalid_type", f"'body.stream' must be false, not {kind(body['stream'])}: leave it out.", "body.stream"


def json_problem(raw: bytes) -> str | None:
    """Why a line is no JSON, in words and with the place; None where it is."""
    try:
        _raw.decode(raw)
        return None
    except RecursionError:
        return "it is nested too deeply"
    except msgspec.DecodeError:
        pass
    try:
        json.loads(raw)
    except json.JSONDecodeError as error:
        return f"it is not valid JSON ({error.msg} at character {error.pos + 1})"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return f"it is not valid JSON ({error})"
    return "it is not valid JSON (NaN, Infinity, or half a surrogate pair such as \\ud800)"


def string(raw: msgspec.Raw) -> str | None:
    """The text of a JSON string; None for any other value."""
    try:
        return _string.decode(raw)
    except msgspec.DecodeError:
        return None


def kind(raw: bytes | msgspec.Raw) -> str:
    """What a JSON value is, in words."""
    first = bytes(raw).lstrip()[:1]
    names = {b"{": "an object", b"[": "an array", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}
    return names.get(first, "a number")


def _choice(url: str, urls: tuple[str, ...]) -> str:
    """What to write in place of an url: the one that was meant where that shows, else all."""
    for known in urls:
        if url.strip().rstrip("/").endswith(known.removeprefix("/v1")):
            return f'"{known}"'
    return " or ".join(f'"{known}"' for known in urls)
