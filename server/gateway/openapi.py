"""The inference routes on the /docs page. Requests to them never pass through FastAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp

_TEXT = {"role": "user", "content": "Hello"}
_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/chat/completions": ("Chat completion", {"messages": [_TEXT], "stream": False}),
    "/v1/completions": ("Text completion", {"prompt": "Hello", "max_tokens": 16}),
    "/v1/responses": ("Response", {"input": "Hello"}),
    "/v1/embeddings": ("Embeddings", {"input": ["Hello"]}),
    "/v1/rerank": ("Rerank documents by a query", {"query": "Hello", "documents": ["Hi", "Bye"]}),
    "/v1/score": ("Score pairs of texts", {"text_1": "Hello", "text_2": ["Hi", "Bye"]}),
    "/tokenize": ("Tokens of a text", {"prompt": "Hello"}),
    "/detokenize": ("Text of tokens", {"tokens": [1, 2, 3]}),
}


def add_inference(app: GatewayApp, paths: Iterable[str]) -> None:
    """Describe `paths` in the application's OpenAPI document."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        model = next(iter(app.catalogue.targets))
        for path in paths:
            summary, example = _EXAMPLES[path]
            document["paths"].setdefault(path, {})["post"] = _operation(summary, {"model": model, **example})
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _operation(summary: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": True}
    error = {"description": "OpenAI's error object", "content": {"application/json": {"schema": schema}}}
    return {
        "tags": ["inference"],
        "summary": summary,
        "description": "As OpenAI and vLLM document it. Unknown parameters pass to the engine untouched.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
        "responses": {
            "200": {"description": "The engine's answer", "content": {"application/json": {"schema": schema}}},
            **dict.fromkeys(("400", "404", "413", "502", "503", "504"), error),
        },
    }
