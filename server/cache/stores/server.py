"""The connection to a Valkey or Redis server: its address, its errors, its scripts.

The client is the `redis` package (MIT), which speaks to both; it is imported when a server is configured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from server.cache.stores import scripts
from server.cache.stores.base import StoreDown
from server.errors import ConfigError

SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}
PREFIX = b"sllm:1:"  # 1: the version of the layout
TIMEOUT = 1.0  # seconds for one exchange, after which the server counts as down
DIGESTS = {name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in scripts.ALL.items()}


class Server:
    """Raises ConfigError for an address that cannot be one, and where the client package is missing."""

    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import NoScriptError, RedisError
        except ImportError:
            raise ConfigError(
                "cache.store: a Valkey or Redis server needs the client package 'redis': pip install -r requirements/valkey.txt"
            ) from None
        scheme, _, rest = url.partition("://")
        try:
            self._client: Any = Redis.from_url(
                f"{SCHEMES[scheme]}://{rest}",
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
            )
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"cache.store: '{_without_password(url)}' is no address of a server ({error}): valkey://host:6379/0"
            ) from None
        self.address = _without_password(url)
        self._errors: tuple[type[BaseException], ...] = (RedisError, OSError, TimeoutError)
        self._no_script: type[BaseException] = NoScriptError

    async def command(self, *words: Any) -> Any:
        """One exchange. Raises StoreDown, for an error that the server answers too."""
        try:
            return await self._client.execute_command(*words)
        except self._errors as error:
            raise StoreDown(f"{self.address}: {error}") from error

    async def commands(self, many: Sequence[Sequence[Any]]) -> list[Any]:
        """Several in one exchange; an error that the server answers to one is in its place. Raises StoreDown."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            for words in many:
                pipeline.execute_command(*words)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except self._errors as error:
            raise StoreDown(f"{self.address}: {error}") from error
        missing = [number for number, answer in enumerate(answers) if isinstance(answer, self._no_script)]
        if missing:  # a server that was started anew has forgotten them
            await self._load()
            again = await self.commands([many[number] for number in missing])
            for number, answer in zip(missing, again, strict=True):
                answers[number] = answer
        return answers

    async def run(self, script: str, *args: Any) -> int:
        """Raises StoreDown."""
        (answer,) = await self.commands([call(script, *args)])
        if isinstance(answer, BaseException):
            raise StoreDown(f"{self.address}: {answer}")
        return int(answer)

    async def close(self) -> None:
        with suppress(*self._errors):
            await self._client.aclose()

    async def _load(self) -> None:
        for text in scripts.ALL.values():
            await self.command("SCRIPT LOAD", text)


def call(script: str, *args: Any) -> tuple[Any, ...]:
    """The words that run `script`."""
    return ("EVALSHA", DIGESTS[script], 1, PREFIX, *args)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
