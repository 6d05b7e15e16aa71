"""/v1/batches: create, look at, list and cancel batches, as OpenAI documents it.

https://platform.openai.com/docs/api-reference/batch. Beyond it: `completion_window` may be any duration, such as 30m or 7d.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Request

from server.batch.base import ENDPOINTS
from server.batch.store.records import OVER, Batch, File, new_id
from server.errors import BodyTooLarge, InvalidRequest, NotPossibleNow, UnknownObject
from server.gateway.body import malformed
from server.gateway.files import keep_of, no_file, page, page_size
from server.units import seconds, show_size

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp
    from server.gateway.batching import Batching

MOST_LISTED, LISTED = 100, 20
LARGEST_BODY = 2**20  # bytes
MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512  # of metadata
SHORTEST_WINDOW, LONGEST_WINDOW = 1, 365 * 86400  # seconds
EXAMPLE = '{"input_file_id": "file-...", "endpoint": "/v1/chat/completions", "completion_window": "24h"}'


def add_routes(app: GatewayApp) -> None:
    batching = app.batching

    @app.post("/v1/batches", tags=["batches"], openapi_extra=_BODY)
    async def create_batch(request: Request) -> dict[str, Any]:
        """Run the requests of an uploaded file."""
        return await _create(batching, await _object(request))

    @app.get("/v1/batches", tags=["batches"])
    async def list_batches(after: str | None = None, limit: str | None = None) -> dict[str, Any]:
        """The batches, the newest first."""
        most = page_size(limit, MOST_LISTED, LISTED)
        store = batching.store
        found: list[Batch] | None = [] if after is None else None
        if store.exists():
            found = await batching.ask(lambda: store.state.batches(after=after, limit=most + 1))
        if found is None:
            raise no_batch(after or "", "after")
        return page([await _shown(batching, batch) for batch in found], most)

    @app.get("/v1/batches/{batch_id}", tags=["batches"])
    async def retrieve_batch(batch_id: str) -> dict[str, Any]:
        """Where a batch stands."""
        return await _shown(batching, await _batch(batching, batch_id))

    @app.post("/v1/batches/{batch_id}/cancel", tags=["batches"])
    async def cancel_batch(batch_id: str) -> dict[str, Any]:
        """End a batch. What is done of it is in its output file."""
        batch = await _batch(batching, batch_id)
        if batch.status != "cancelling":
            cancelled = await batching.keep(lambda: batching.store.cancel(batch_id))
            batch = cancelled if cancelled is not None else await _batch(batching, batch_id)
            if cancelled is None and batch.status != "cancelling":
                raise NotPossibleNow(f"Cannot cancel a batch with status '{batch.status}'.", code="batch_not_cancellable")
            batching.wake()
        return await _shown(batching, batch)


async def _create(batching: Batching, body: dict[str, Any]) -> dict[str, Any]:
    unknown = set(body) - {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}
    if unknown:
        name = min(unknown)
        raise InvalidRequest(f"Unknown parameter: '{name[:64]}'.", param=name[:64], code="unknown_parameter")
    for name in ("input_file_id", "endpoint", "completion_window"):
        if body.get(name) is None:
            raise InvalidRequest(f"Missing required parameter: '{name}': send {EXAMPLE}.", param=name, code="missing_required_parameter")
        if not isinstance(body[name], str):
            raise InvalidRequest(f"'{name}' must be a string: send {EXAMPLE}.", param=name, code="invalid_type")
    endpoint, file_id = body["endpoint"], body["input_file_id"]
    if endpoint not in ENDPOINTS:
        known = ", ".join(f"'{name}'" for name in ENDPOINTS)
        raise InvalidRequest(f"Invalid value: '{endpoint[:64]}'. Supported values are: {known}.", param="endpoint", code="invalid_value")
    window = _window(body["completion_window"])
    metadata = _metadata(body.get("metadata"))
    keep = _output_keep(body.get("output_expires_after"))
    store = batching.store
    file: File | None = await batching.ask(store.file, file_id)
    if file is None:
        raise no_file(file_id, "input_file_id")
    if file.purpose != "batch":
        said = f"The file '{file_id}' has purpose '{file.purpose}': upload it again with purpose 'batch'."
        raise InvalidRequest(said, param="input_file_id", code="invalid_purpose")
    now = int(store.clock())
    batch = Batch(
        new_id("batch_"),
        now,
        endpoint,
        file_id,
        body["completion_window"],
        now + window,
        owner=store.alive.id,
        metadata=metadata,
        output_keep=keep,
        tenant=file.tenant,
    )
    await batching.keep(lambda: store.create(batch))
    batching.wake()
    return await _shown(batching, batch)


def _window(text: str) -> int:
    """Seconds."""
    try:
        window = seconds(text) if re.search("[a-z]", text) else 0.0
    except ValueError:
        window = 0.0
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW:
        said = f"Invalid value: '{text[:64]}'. Write 24h, or another duration such as 30m or 7d, up to 365d."
        raise InvalidRequest(said, param="completion_window", code="invalid_value")
    return int(window)


def _metadata(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    wanted = f"at most {MOST_PAIRS} pairs of strings, keys up to {LONGEST_KEY} characters, values up to {LONGEST_VALUE}"
    if not isinstance(given, dict) or len(given) > MOST_PAIRS:
        raise InvalidRequest(f"'metadata' must be {wanted}.", param="metadata", code="invalid_metadata")
    for key, value in given.items():
        if len(key) > LONGEST_KEY or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise InvalidRequest(
                f"'metadata' must be {wanted}: '{key[:64]}' is not.", param=f"metadata.{key[:64]}", code="invalid_metadata"
            )
    return given


def _output_keep(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        said = '\'output_expires_after\' must be an object: write {"anchor": "created_at", "seconds": 86400}.'
        raise InvalidRequest(said, param="output_expires_after", code="invalid_type")
    return keep_of(given.get("anchor"), given.get("seconds"), "output_expires_after")


async def _object(request: Request) -> dict[str, Any]:
    """The body. Raises InvalidRequest, BodyTooLarge."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge(f"The body has more than {show_size(LARGEST_BODY)}: requests go into a file; send {EXAMPLE}.")
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise malformed(bytes(body)) from None
    if not isinstance(data, dict):
        raise InvalidRequest(f"The body must be a JSON object: send {EXAMPLE}.", code="invalid_json")
    return data


async def _batch(batching: Batching, batch_id: str) -> Batch:
    found = await batching.ask(batching.store.state.batch, batch_id) if batching.store.exists() else None
    if found is None:
        raise no_batch(batch_id)
    return found


def no_batch(batch_id: str, param: str = "id") -> UnknownObject:
    return UnknownObject(f"No batch found with id '{batch_id[:100]}'.", param=param)


async def _shown(batching: Batching, batch: Batch) -> dict[str, Any]:
    counts = None
    if batch.status not in OVER:
        counts = await batching.ask(lambda: batching.counts(batch))
    return batch.shown(counts, batching.notes(batch))


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["input_file_id", "endpoint", "completion_window"], "additionalProperties": True},
                "example": {"input_file_id": "file-...", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
            }
        },
    }
}
