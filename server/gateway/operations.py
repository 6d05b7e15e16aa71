"""Routes for people and machines that look after the stack: health, readiness, metrics, the models."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from server.errors import InternalError, InvalidRequest, MethodNotAllowed, RequestError, UnknownRoute
from server.gateway.call import Call, Receive, Scope, Send
from server.gateway.catalogue import Engine
from server.gateway.engine_metrics import engine_metrics
from server.gateway.steps.admit import give_id
from server.nearest import nearest
from server.state import Phase

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp

POLLED = frozenset(("/health", "/ready", "/metrics"))
NOT_STORED = "Responses are not stored by this server: keep the conversation and send it in `input`."


def add_routes(app: GatewayApp) -> None:
    catalogue = app.catalogue

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        """The process is up. Whether models answer is what /ready says."""
        return {"status": "ok"}

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready", tags=["operations"])
    async def ready() -> JSONResponse:
        """200 when every model takes requests, else 503 with the phase of each."""
        models = [_standing(e) for e in catalogue.engines.values()]
        draining = app.drain.active
        well = not draining and all(m["phase"] == Phase.READY for m in models)
        body = {"ready": well, "draining": draining, "models": models}
        return JSONResponse(body, status_code=200 if well else 503, headers={} if well else {"retry-after": "5"})

    @app.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        """Prometheus metrics of the gateway (sllm_*) and of its engines (vllm:*), each with its model."""
        app.metrics.flush(len(app.inflight.calls))
        if app.kept is not None:
            await app.kept.stats()
        text = app.metrics.text() + await engine_metrics(list(catalogue.engines.values()))
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.head("/v1/models", include_in_schema=False)
    @app.get("/v1/models", tags=["models"])
    async def list_models() -> dict[str, Any]:
        """Everything that can be called as `model`: models, adapters, personas."""
        return catalogue.cards()

    @app.head("/v1/models/{model:path}", include_in_schema=False)
    @app.get("/v1/models/{model:path}", tags=["models"])
    async def retrieve_model(model: str) -> dict[str, Any]:
        return catalogue.card(model)

    @app.get("/v1/responses/{response_id}", tags=["inference"])
    async def retrieve_response(response_id: str) -> None:
        """Responses are not stored."""
        raise UnknownRoute(NOT_STORED, param="response_id", code="response_not_found")

    @app.delete("/v1/responses/{response_id}", tags=["inference"])
    async def delete_response(response_id: str) -> None:
        """Responses are not stored."""
        raise UnknownRoute(NOT_STORED, param="response_id", code="response_not_found")

    @app.post("/v1/responses/{response_id}/cancel", tags=["inference"])
    async def cancel_response(response_id: str) -> None:
        """Responses are not stored, and end when their connection is closed."""
        raise UnknownRoute(NOT_STORED + " To cancel one, close its connection.", param="response_id", code="response_not_found")

    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(Exception, _unforeseen)


def logged(app: GatewayApp, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Give a request outside the pipeline its id and its line in the log; what machines poll gets no line."""
    call = Call(scope, receive, send, scope["path"][:200])
    give_id(call)

    async def send_and_log(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", call.request_id)]
        await send(message)
        over = message["type"] == "http.response.body" and not message.get("more_body")
        if over and app.access_log is not None and call.path not in POLLED:
            app.access_log.add(call, call.status, time.perf_counter() - call.when)

    return receive, send_and_log


def _standing(engine: Engine) -> dict[str, Any]:
    """Where an engine stands; `seconds` in this phase; `last_token` seconds ago, null before the first."""
    now = time.time()
    return {
        "model": engine.name,
        "phase": engine.phase,
        "seconds": round(max(0.0, now - engine.since), 1),
        "detail": engine.detail,
        "last_token": round(max(0.0, now - engine.last_token), 1) if engine.last_token else None,
    }


async def _http_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the routing, in OpenAI's form."""
    assert isinstance(error, HTTPException)
    app, path, method = request.app, request.url.path, request.method
    routes = _methods(app)
    if path in routes or error.status_code == 405:
        allowed = sorted(routes.get(path, set()) or {m.strip() for m in (error.headers or {}).get("Allow", "").split(",") if m.strip()})
        if method == "OPTIONS" and allowed:
            return Response(status_code=204, headers={"allow": ", ".join([*allowed, "OPTIONS"])})
        said = f"{method} is not allowed on {path}: use {' or '.join(allowed)}."
        return await _request_error(request, MethodNotAllowed(said, headers={"allow": ", ".join(allowed)}))
    if error.status_code == 404:
        near = nearest(path, routes)
        hint = f"did you mean {near}?" if near else "GET /docs lists the routes."
        return await _request_error(request, UnknownRoute(f"There is no route {method} {path[:200]}: {hint}"))
    return await _request_error(request, InvalidRequest(str(error.detail)))


async def _unforeseen(request: Request, error: Exception) -> Response:
    return await _request_error(request, InternalError("The gateway failed on this request; its log has the cause."))


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return Response(error.body(), status_code=error.status, media_type="application/json", headers=error.headers)


def _methods(app: GatewayApp) -> dict[str, set[str]]:
    """Every fixed path and the methods it takes."""
    found: dict[str, set[str]] = {}
    for route in app.routes:
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None)
        if path and methods and "{" not in path:
            found.setdefault(path, set()).update(methods)
    for method, path in app.direct:
        found.setdefault(path, set()).add(method)
    return found
