"""One short request at a running server, over TCP or a Unix socket, past any proxy."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from server.errors import StartError


class _OverSocket(http.client.HTTPConnection):
    """HTTP over the Unix socket at `path`."""

    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(base: str, path: str, *, timeout: float = 5.0, key: str | None = None, method: str = "GET") -> tuple[int, Any]:
    """Status and JSON body (None where it is not JSON) of `base` + `path`. Raises OSError when nothing answers."""
    parts = urlsplit(base)
    connection: http.client.HTTPConnection
    if base.startswith("unix:"):
        connection = _OverSocket(base.removeprefix("unix:"), timeout)
    elif parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout)
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request(
            method,
            parts.path.rstrip("/") + path if parts.scheme != "unix" else path,
            headers={"authorization": f"Bearer {key}"} if key else {},
        )
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"it does not speak HTTP: {error or type(error).__name__}") from None
    finally:
        connection.close()
    try:
        return answer.status, json.loads(body)
    except ValueError:
        return answer.status, None


Get = Callable[..., tuple[int, Any]]


def served_models(base: str, *, get: Get = get) -> list[str]:
    """The names in `base`/v1/models. Raises StartError with what to check."""
    hint = "start it, check the address, or name its model with --model NAME"
    try:
        status, body = get(base, "/v1/models", key=os.environ.get("OPENAI_API_KEY"))
    except OSError as error:
        raise StartError(f"the upstream {base} does not answer ({error.strerror or error}): {hint}") from None
    if status in (401, 403):
        raise StartError(f"the upstream {base} wants a key: set OPENAI_API_KEY, or name its model with --model NAME")
    try:
        names = [str(model["id"]) for model in body["data"]]
    except (KeyError, TypeError):
        raise StartError(f"{base}/v1/models answered {status} without a list of models: {hint}") from None
    if not names:
        raise StartError(f"the upstream {base} serves no model: {hint}")
    return names
