"""Any /v1/embeddings: a server elsewhere, or a served model of our own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server import remote
from server.cache.semantic.embedders.base import EmbedderDown, Post, Vector, numpy, unit
from server.errors import ConfigError


class _Datum(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Answer(msgspec.Struct):
    data: list[_Datum]


_decode = msgspec.json.Decoder(_Answer).decode


class Endpoint:
    """`post` sends an embeddings request; `model` is its model's name, `prefix` goes before each text."""

    def __init__(self, name: str, model: str, prefix: str, post: Post, deadline: float) -> None:
        self.name = f"{name}-{model}-{prefix}"
        self.deadline = deadline
        self.model = model
        self.prefix = prefix
        self.post = post

    async def open(self) -> None:
        numpy()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, in the texts' order whatever the order of the answer. Raises EmbedderDown."""
        np = numpy()
        request = {"model": self.model, "input": [self.prefix + text for text in texts], "encoding_format": "float"}
        try:
            data = _decode(await self.post(msgspec.json.encode(request))).data
        except (msgspec.DecodeError, RecursionError) as error:
            raise EmbedderDown(f"its answer is no list of embeddings ({error})") from None
        data.sort(key=lambda datum: datum.index)
        if [datum.index for datum in data] != list(range(len(texts))):
            raise EmbedderDown(f"{len(data)} embeddings came for {len(texts)} texts")
        return [unit(np.asarray(datum.embedding, np.float32)) for datum in data]

    async def close(self) -> None:
        pass


class Remote(Endpoint):
    """A server of somebody else's, by its base URL: http://host:port, with or without /v1 or /v1/embeddings."""

    def __init__(self, url: str, model: str, prefix: str, key_variable: str | None, timeout: float) -> None:
        super().__init__(url, model, prefix, self._post, deadline=0.25)
        self.server = remote.Remote(embeddings_url(url), key_variable, "cache.semantic.embedder_key", timeout)

    async def open(self) -> None:
        await super().open()
        await self.server.open()

    async def close(self) -> None:
        await self.server.close()

    async def _post(self, body: bytes) -> bytes:
        try:
            status, content = await self.server.post(body)
        except remote.Unreachable as error:
            raise EmbedderDown(str(error)) from None
        if status != 200:
            raise EmbedderDown(f"it answered {status}")
        return content


def embeddings_url(url: str) -> str:
    """The address of /v1/embeddings under the base `url`. Raises ConfigError for what is no http URL."""
    found = remote.address(url, "/embeddings")
    if found is None:
        raise ConfigError(f"cache.semantic.embedder: '{url}' is no address: write http://host:port/v1.")
    return found
