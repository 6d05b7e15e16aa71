"""What a request's headers say about the cache: Cache-Control (RFC 9111, section 5.2.1) and x-sllm-cache-namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from server.errors import InvalidRequest

HEADERS = (b"cache-control", b"x-sllm-cache-namespace")  # that are read here
LONGEST_NAMESPACE = 128  # characters
LONGEST_AGE = 2**31  # seconds; RFC 9111, section 1.2.2: what is larger counts as this

_NAMESPACE = re.compile(rb"[\x20-\x7e]{1,%d}" % LONGEST_NAMESPACE)
_DIRECTIVE = re.compile(rb'\s*,?\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*))?')


class Control(msgspec.Struct, frozen=True):
    """`read`: a kept answer may be served; `write`: this one's answer may be kept."""

    read: bool = True
    write: bool = True
    only_if_cached: bool = False  # 504 instead of asking the engine
    max_age: float | None = None  # seconds; an older answer is not served
    namespace: str = ""


DEFAULT = Control()


def control(headers: Iterable[tuple[bytes, bytes]], namespaces: bool = True) -> Control:
    """Read an ASGI header list. `namespaces`: whether x-sllm-cache-namespace is heard.

    Raises InvalidRequest for a max-age that is no number of seconds, and for a namespace that is none.
    Directives that RFC 9111 does not define for requests, or that say nothing to a cache that never serves stale
    answers (max-stale, min-fresh, no-transform), are ignored.
    """
    directives: list[bytes] = []
    namespace: bytes | None = None
    for name, value in headers:
        if name == b"cache-control":
            directives.append(value)
        elif name == b"x-sllm-cache-namespace" and namespaces:
            if namespace is not None:
                raise InvalidRequest("x-sllm-cache-namespace is there twice: send it once.", code="invalid_namespace")
            namespace = value
    if not directives and namespace is None:
        return DEFAULT
    chosen = "" if namespace is None else _namespace(namespace)
    if not directives:
        return Control(namespace=chosen)
    read, write, only, age = _directives(b",".join(directives))
    return Control(read, write, only, age, chosen)


def _namespace(value: bytes) -> str:
    value = value.strip()
    if not value or not _NAMESPACE.fullmatch(value):
        shown = value.decode("latin-1")[:40]
        raise InvalidRequest(
            f"x-sllm-cache-namespace '{shown}' is not taken: write 1 to {LONGEST_NAMESPACE} printable ASCII characters.",
            code="invalid_namespace",
        )
    return value.decode("ascii")


def _directives(value: bytes) -> tuple[bool, bool, bool, float | None]:
    read, write, only = True, True, False
    ages: list[float] = []
    for name, argument in _DIRECTIVE.findall(value):
        directive = name.lower()
        if directive == b"no-cache":
            read = False
        elif directive == b"no-store":
            write = False
        elif directive == b"only-if-cached":
            only = True
        elif directive == b"max-age":
            ages.append(_seconds(argument))
    return read, write, only, min(ages, default=None)  # said twice: the stricter one


def _seconds(argument: bytes) -> float:
    digits = argument.strip(b'"')
    if not digits.isdigit():
        shown = argument.decode("latin-1")[:40]
        raise InvalidRequest(
            f"Cache-Control: max-age={shown} is no number of seconds: write for example max-age=60.", code="invalid_max_age"
        )
    return float(LONGEST_AGE) if len(digits) > 10 else float(min(int(digits), LONGEST_AGE))
