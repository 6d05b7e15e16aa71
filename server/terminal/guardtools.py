"""Guards on the command line: made from the configuration, with what can be lent to them without a gateway."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from server.errors import ConfigError, StartError
from server.guards.base import Ask, Tools
from server.guards.policy import Policies
from server.nearest import did_you_mean

if TYPE_CHECKING:
    from server.guardsettings import Similarity
    from server.settings import Settings

PATIENCE = 60.0  # seconds; a model on a CPU takes its time
NONE_YET = "the configuration has no guards: add `guards:`, or try --config configs/guards/korean-pii.yaml"


def names(settings: Settings) -> list[str]:
    """Everything that a request may name as its model."""
    models = [model.name for model in settings.models]
    return [*models, *(adapter for model in settings.models for adapter in model.adapters), *settings.personas]


def made(settings: Settings, tools: Tools | None = None) -> Policies:
    """The policies of all models. Raises ConfigError for what is wrong in `guards:` and can be told without serving."""
    return Policies(settings.guards, tools or Tools(embedder=_embedders(settings, _nobody), served=names(settings)))


def chosen(settings: Settings, model: str | None) -> str | None:
    """`model`, which must be served. Raises ConfigError."""
    if model is not None and model not in names(settings):
        raise ConfigError(f"no model '{model}' in the configuration: {did_you_mean(model, names(settings))}")
    return model


@contextlib.asynccontextmanager
async def opened(settings: Settings, url: str | None) -> AsyncIterator[Policies]:
    """The policies with their judges ready. Served models are asked at their `upstreams`, else at `url`. Raises ConfigError, StartError."""
    async with _asking(settings, url) as tools:
        policies = made(settings, tools)
        try:
            await policies.open()
            yield policies
        finally:
            await policies.close()


@contextlib.asynccontextmanager
async def _asking(settings: Settings, url: str | None) -> AsyncIterator[Tools]:
    import httpx2

    bases = {model.name: model.upstreams[0] for model in settings.models if model.upstreams}
    clients: dict[str, httpx2.AsyncClient] = {}

    async def send(model: str, path: str, body: bytes) -> bytes | None:
        base = bases.get(model, url)
        if base is None:
            return None
        if base not in clients:
            clients[base] = _client(base)
        try:
            answer = await clients[base].post(path, content=body, headers={"content-type": "application/json"})
        except httpx2.HTTPError:
            return None
        return answer.content if answer.status_code == 200 else None

    async def count(model: str, text: str) -> int | None:
        import msgspec

        body = msgspec.json.encode({"model": model, "prompt": text, "add_special_tokens": False})
        answer = await send(model or next(iter(names(settings)), ""), "/tokenize", body)
        try:
            return int(msgspec.json.decode(answer)["count"]) if answer is not None else None
        except (msgspec.DecodeError, LookupError, TypeError, ValueError):
            return None

    try:
        yield Tools(send, count, _embedders(settings, send), names(settings))
    finally:
        for client in clients.values():
            await client.aclose()


def _client(base: str) -> Any:
    import httpx2

    if base.startswith("unix:"):
        return httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=base.removeprefix("unix:")), base_url="http://localhost", timeout=PATIENCE
        )
    return httpx2.AsyncClient(base_url=base.rstrip("/").removesuffix("/v1"), timeout=PATIENCE, trust_env=False)


def _embedders(settings: Settings, send: Ask) -> Callable[[Similarity], Any]:
    """As the gateway makes them. What they give raises ConfigError."""

    def make(section: Similarity) -> Any:
        from server.cache.semantic.embedders.base import EmbedderDown, Post
        from server.cache.semantic.embedders.choose import choose
        from server.settings import Semantic

        def post(name: str) -> Post:
            async def ask(body: bytes) -> bytes:
                answer = await send(name, "/v1/embeddings", body)
                if answer is None:
                    raise EmbedderDown(f"the model '{name}' gives no embedding")
                return answer

            return ask

        asked = {key: getattr(section, key) for key in ("embedder", "embedder_model", "embedder_key", "prefix")}
        return choose(Semantic(**asked), names(settings), post)

    return make


async def _nobody(model: str, path: str, body: bytes) -> None:
    return None


def nothing_to_do(settings: Settings) -> None:
    """Raises StartError where the configuration has no guards."""
    if not settings.guards:
        raise StartError(NONE_YET)
