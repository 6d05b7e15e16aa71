"""/admin/cache: what the cache holds and has saved, and emptying it.

There are no keys yet, so only programs on this machine are let in: the connection must come from loopback, and not
through a proxy or from a web page, both of which would look like this machine while they speak for another.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from fastapi import Request

from server.cache.stores.base import StoreDown
from server.errors import EngineUnavailable, NotAllowed, UnknownRoute

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp
    from server.gateway.kept import Kept

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "origin")


def add_routes(app: GatewayApp) -> None:
    @app.get("/admin/cache", tags=["admin"])
    async def cache_stats(request: Request) -> dict[str, Any]:
        """What is kept, by model and namespace, and what it has saved since the start."""
        _from_here(request)
        return await stats(_kept(app), app)

    @app.delete("/admin/cache", tags=["admin"])
    async def cache_flush(request: Request, model: str | None = None, namespace: str | None = None) -> dict[str, Any]:
        """Remove the answers of `model` and of `namespace` (empty: of requests that name none); all, where neither is given."""
        _from_here(request)
        kept = _kept(app)
        if model is not None and model not in app.catalogue.targets:
            groups = (await kept.levels.stats()).groups
            if all(group.model != model for group in groups):  # of a configuration before this one
                raise app.catalogue.unknown(model)
        try:
            return {"removed": await kept.flush(model, namespace)}
        except StoreDown:
            raise EngineUnavailable(
                "The cache's store does not answer, so only the memory of this worker was emptied: try again when it is back.",
                code="store_down",
            ) from None


async def stats(kept: Kept, app: GatewayApp) -> dict[str, Any]:
    """As JSON: `entries` and `bytes` of the store and of this worker's memory; counts since the start, of all workers."""
    held = await kept.stats()
    counted = kept.metrics.summary(app.metrics.families())
    return {
        "store": held.name,
        "up": held.up,
        "entries": held.entries,
        "bytes": held.bytes,
        "max_bytes": held.max_bytes,
        "questions": held.questions,
        "memory": {"entries": len(kept.levels.memory), "bytes": kept.levels.memory.bytes, "max_bytes": kept.levels.memory.max_bytes},
        "held": [{"model": g.model, "namespace": g.namespace, "entries": g.entries, "bytes": g.bytes} for g in held.groups],
        **counted,
        "semantic": app.similar.semantic.report() if app.similar is not None else {"mode": "off"},
    }


def _kept(app: GatewayApp) -> Kept:
    if app.kept is None:
        raise UnknownRoute("The cache is off: set `cache.store` in the configuration to turn it on.", code="cache_off")
    return app.kept


def _from_here(request: Request) -> None:
    """Raises NotAllowed."""
    client = request.client.host if request.client else ""
    try:
        here = ipaddress.ip_address(client)
        local = here.is_loopback or bool(getattr(here, "ipv4_mapped", None) and here.ipv4_mapped.is_loopback)  # type: ignore[union-attr]
    except ValueError:
        local = False
    if not local or any(name in request.headers for name in FORWARDED):
        raise NotAllowed("/admin is for programs on the gateway's own machine: run `sllm cache` there, without a proxy in between.")
