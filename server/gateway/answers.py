"""Answers that the gateway writes itself, and the engine's errors in OpenAI's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from server.errors import RequestError, error_body
from server.gateway.call import Headers, Send

JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES: tuple[tuple[str, str], ...] = (
    (r"maximum context length|longer than the maximum model length|exceeds? the (?:model'?s )?max_model_len", "context_length_exceeded"),
    (r"[Tt]he model .* does not exist", "model_not_found"),
)
_VALIDATION = re.compile(r"""'loc': '([^']*)', 'msg': (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")


async def reply(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole JSON answer."""
    own: Headers = [JSON, (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})


def headers_of(error: RequestError) -> Headers:
    return [(name.encode(), value.encode()) for name, value in error.headers.items()]


def normalise(status: int, body: bytes, path: str, model: str) -> tuple[bytes, str | None]:
    """The engine's error `body` as OpenAI's error object, and its code.

    vLLM writes `code` as the status number and its own type names; FastAPI below it writes `detail`;
    a proxy in between writes HTML. The message is kept.
    """
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        data = None
    error: dict[str, Any] = {}
    if isinstance(data, dict):
        inner = data.get("error", data)
        error = inner if isinstance(inner, dict) else {"message": str(inner)}
    message = error.get("message") or error.get("detail")
    if message is not None and not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    if not message:
        message = body[:500].decode("utf-8", "replace").strip()
        message = f"The engine of '{model}' answered {status}" + (f": {message}" if message else " without a message.")
    if status in (404, 405) and message in ("Not Found", "Method Not Allowed"):
        message = f"The model '{model}' does not offer {path}: it serves another task. GET /v1/models lists the models."
    message, param = _plain(message, error.get("param"))
    code = error.get("code")
    if not isinstance(code, str):
        code = next((c for pattern, c in _CODES if re.search(pattern, message)), None)
        if code is None and status == 429:
            code = "rate_limit_exceeded"
    known = error.get("type")
    if isinstance(known, str) and known.endswith("_error"):
        kind = known
    else:
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return error_body(message, kind, param, code), code


def _plain(message: str, param: Any) -> tuple[str, str | None]:
    """Validation errors of the engine (dictionaries, one a line) as sentences."""
    param = param if isinstance(param, str) else None
    found = _VALIDATION.findall(message)
    if found:
        said = dict.fromkeys(f"'{loc.removeprefix('body.')}': {single or double}" for loc, single, double in found)
        message = "; ".join(said)
    return message, param.removeprefix("body.") if param else None
