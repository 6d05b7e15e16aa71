from __future__ import annotations

import json
from typing import Any

import pytest

from server.gateway.answers import normalise


def normal(status: int, body: Any) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error: dict[str, Any] = json.loads(normalise(status, raw, "/v1/chat/completions", "m")[0])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def vllm(message: str, code: int, type: str = "BadRequestError", param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_types_are_openais(status: int, kind: str):
    error = normal(status, vllm("no", status))
    assert (error["type"], error["message"]) == (kind, "no")


def test_codes_are_words():
    said = "This model's maximum context length is 512 tokens. However, you requested 900 tokens."
    assert normal(400, vllm(said, 400))["code"] == "context_length_exceeded"
    assert normal(404, vllm("The model `x` does not exist.", 404))["code"] == "model_not_found"
    assert normal(400, vllm("temperature must be non-negative", 400, param="temperature")) == {
        "message": "temperature must be non-negative",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": None,
    }


def test_an_openai_error_passes_as_it_is():
    theirs = {"message": "no", "type": "insufficient_quota_error", "param": "x", "code": "insufficient_quota"}
    assert normal(429, {"error": theirs}) == theirs


def test_validation_errors_become_sentences():
    said = "1 validation error:\n  {'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 1 items>'}"
    error = normal(400, vllm(said, 400, "Bad Request", "body.messages"))
    assert (error["message"], error["param"]) == ("'messages': Field required", "messages")


def test_other_shapes_are_wrapped():
    assert normal(400, {"detail": "There was an error"})["message"] == "There was an error"
    assert normal(400, {"object": "error", "message": "old", "type": "X", "code": 400})["message"] == "old"
    assert normal(502, b"<html>Bad Gateway</html>")["message"] == "The engine of 'm' answered 502: <html>Bad Gateway</html>"
    assert normal(500, b"")["message"] == "The engine of 'm' answered 500 without a message."
    assert normal(500, b'{"error": "text"}')["message"] == "text"


def test_a_route_that_the_engine_lacks_names_the_model():
    assert "does not offer /v1/chat/completions" in normal(404, {"detail": "Not Found"})["message"]
