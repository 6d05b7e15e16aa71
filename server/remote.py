"""A server of somebody else's that speaks OpenAI's API: its address, its key, and a POST to one of its routes."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from server.errors import ConfigError


class Unreachable(Exception):
    """The server does not answer; the text says why."""


class Remote:
    """`key_variable` names the environment variable with the key, `key_setting` the key of the configuration that says so.

    Raises ConfigError for a variable that is not set.
    """

    def __init__(self, url: str, key_variable: str | None, key_setting: str, timeout: float) -> None:
        self.url = url
        self.timeout = timeout  # seconds
        self.headers = {"content-type": "application/json"}
        if key_variable is not None:
            key = os.environ.get(key_variable)
            if not key:
                raise ConfigError(f"{key_setting} names the variable {key_variable}, which is not set: export it.")
            self.headers["authorization"] = f"Bearer {key}"
        self._client: Any = None

    async def open(self) -> None:
        import httpx2

        self._client = httpx2.AsyncClient(timeout=self.timeout, headers=self.headers)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """(status, body). Raises Unreachable."""
        import httpx2

        if self._client is None:
            raise Unreachable("it is closed")
        try:
            answer = await self._client.post(self.url, content=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(str(error) or type(error).__name__) from None
        return answer.status_code, answer.content


def address(url: str, route: str) -> str | None:
    """The address of `route` (such as /embeddings) under the base `url`, which may end with /v1 or with the route itself; None for
    what is no http URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    path = parts.path.rstrip("/")
    if not path.endswith(route):
        path += route if path.endswith("/v1") else f"/v1{route}"
    return parts._replace(path=path).geturl()
