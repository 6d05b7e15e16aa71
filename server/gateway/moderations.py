"""/v1/moderations: what the guards say of a text, in OpenAI's shape."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Request
from fastapi.responses import JSONResponse

from server.errors import BodyTooLarge, InvalidRequest, UnknownRoute
from server.gateway.body import malformed
from server.units import show_size

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp
    from server.gateway.guarding import Guarding

# OpenAI's categories, which its SDK's types name; ours stand beside them.
CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
MOST_INPUTS = 2048
WANTED = 'a string, a list of strings, or parts such as {"type": "text", "text": "..."}'


def add_routes(app: GatewayApp) -> None:
    @app.post("/v1/moderations", tags=["inference"])
    async def moderations(request: Request) -> JSONResponse:
        """What the guards say of each text: OpenAI's categories and the guards' own, with scores."""
        if app.guarding is None:
            raise UnknownRoute("There are no guards to moderate with: write some under `guards:` in the configuration.", code="no_guards")
        body = await _body(request, app.settings.gateway.max_body)
        try:
            data = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise malformed(body) from None
        if not isinstance(data, dict):
            raise InvalidRequest('The body must be a JSON object: send {"input": "..."}.', code="invalid_json")
        texts = _texts(data.get("input"))
        name = data.get("model")
        model = name if isinstance(name, str) and name in app.catalogue.targets else next(iter(app.catalogue.targets))
        results = [await moderate(app.guarding, model, text) for text in texts]
        said = {"id": f"modr-{secrets.token_hex(12)}", "model": name if isinstance(name, str) else model, "results": results}
        return JSONResponse(said)


async def _body(request: Request, most: int) -> bytes:
    """Raises BodyTooLarge."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise BodyTooLarge(f"The body has more than {show_size(most)}: send less, or raise gateway.max_body in the configuration.")
    return bytes(body)


def _texts(given: Any) -> list[str]:
    """Each input's text. Parts of one input are one text. Raises InvalidRequest."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given and len(given) <= MOST_INPUTS:
        if all(isinstance(item, str) for item in given):
            return given
        if all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in given):
            if any(item["type"] != "text" or not isinstance(item.get("text"), str) for item in given):
                raise InvalidRequest("'input' has a part that is no text; guards read text only.", param="input", code="unsupported_input")
            return ["\n".join(item["text"] for item in given)]
    raise InvalidRequest(f"'input' must be {WANTED}, at most {MOST_INPUTS}.", param="input", code="invalid_type")


async def moderate(guarding: Guarding, model: str, text: str) -> dict[str, Any]:
    """One result. Raises GuardError where a closed guard fails."""
    from server.guards.moderate import judge_text

    flagged, scores = await judge_text(guarding.policies, model, text, guarding.metrics.told)
    scores = {**dict.fromkeys(CATEGORIES, 0.0), **scores}
    return {
        "flagged": flagged,
        "categories": {name: score > 0 if name not in CATEGORIES else score >= 0.5 for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in scores},
    }
