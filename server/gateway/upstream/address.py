"""Where an engine listens: `unix:/path.sock`, `http://host:port` or `https://host`, with an optional base path."""

from __future__ import annotations

import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from server.errors import ConfigError


class Address(NamedTuple):
    """`host` is what the Host header says; `path` is a Unix socket, or empty; `base` goes before every route."""

    url: str
    host: str
    name: str
    port: int
    path: str
    base: str
    tls: ssl.SSLContext | None


def parse_address(url: str) -> Address:
    """The address that `url` names. Raises ConfigError.

    `http://host:8000/v1` is taken as `http://host:8000`: the routes bring their own `/v1`,
    and people paste the SDK's base_url.
    """
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            raise ConfigError(f"upstream '{url}': write the socket's full path, such as unix:/run/engine.sock")
        return Address(url, "localhost", "", 0, path, "", None)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"upstream '{url}': {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"upstream '{url}': write http://host:port, https://host or unix:/path.sock")
    if parts.username is not None:
        raise ConfigError(f"upstream '{parts.hostname}': a name or key inside the URL is not taken: remove it")
    if parts.query or parts.fragment:
        raise ConfigError(f"upstream '{url}': remove what follows ? or #")
    try:
        url.encode("ascii")
    except UnicodeEncodeError:
        raise ConfigError(f"upstream '{url}': write it in ASCII (punycode, %-escapes)") from None
    secure = parts.scheme == "https"
    base = parts.path.rstrip("/").removesuffix("/v1")
    return Address(
        url=url,
        host=parts.netloc,
        name=parts.hostname,
        port=port or (443 if secure else 80),
        path="",
        base=base,
        tls=ssl.create_default_context() if secure else None,
    )
