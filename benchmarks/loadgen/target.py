"""Where requests go: a server's address as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.errors import BenchUsageError

FORMS = "write http://HOST:PORT, https://HOST or unix:/PATH.sock, with a path in front of /v1 where there is one"


@dataclass(frozen=True)
class Target:
    """A server: TCP, TLS over TCP, or a Unix socket. `prefix` stands in front of every path ("" or "/name")."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    unix: str | None = None
    prefix: str = ""
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()  # more of them, for every request

    def __str__(self) -> str:
        return f"unix:{self.unix}" if self.unix else f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    @property
    def authority(self) -> str:
        """The value of the `host` header: the port is left out where it is the scheme's own."""
        if self.unix:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def head(self, method: str, path: str, length: int) -> bytes:
        """The head of a request with a JSON body of `length` bytes (0: none)."""
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"host: {self.authority}", "accept: */*"]
        if self.api_key:
            lines.append(f"authorization: Bearer {self.api_key}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length:
            lines.append("content-type: application/json")
        if length or method != "GET":
            lines.append(f"content-length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def parse(url: str, api_key: str | None = None) -> Target:
    """The target that `url` names; a `/v1` at its end belongs to the requests' paths and is taken off.

    Raises BenchUsageError.
    """
    url = url.strip()
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise BenchUsageError("The API key has a character that no header may carry: copy it again, without line ends.")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        path = "/" + path.lstrip("/") if path.startswith("//") else path
        if not path or path == "/":
            raise BenchUsageError(f"{url!r} names no socket: {FORMS}.")
        return Target(unix=path, api_key=api_key)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BenchUsageError(f"{url!r} is no address ({error}): {FORMS}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BenchUsageError(f"{url!r} is no address: {FORMS}.")
    if parts.username is not None or parts.query or parts.fragment:
        raise BenchUsageError(f"{url!r} carries more than an address: {FORMS}; a key is given by --api-key.")
    if not (parts.path.isascii() and parts.path.isprintable() and " " not in parts.path):
        raise BenchUsageError(f"{url!r} has a character in its path that must be written as %XX.")
    prefix = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    tls = parts.scheme == "https"
    return Target(parts.hostname, port or (443 if tls else 80), tls, None, prefix, api_key)
