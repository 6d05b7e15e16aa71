"""/v1/files: upload, list, look at, read and delete files, as OpenAI documents it.

https://platform.openai.com/docs/api-reference/files
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse, Response

from server.batch.store.records import File, new_id
from server.errors import InvalidRequest, UnknownObject
from server.gateway.upload import EXAMPLE, Form, Gone, read, too_large

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp
    from server.gateway.batching import Batching

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")  # that an upload may have
SHORTEST_KEEP, LONGEST_KEEP = 3600, 2592000  # seconds of expires_after: an hour, 30 days
MOST_LISTED = 10_000
FORM = 2**20  # bytes of a form beside its file
READ_REFUSED = 1.25  # times the largest file: what is read of an upload that is refused


def add_routes(app: GatewayApp) -> None:
    batching = app.batching

    @app.post("/v1/files", tags=["files"], openapi_extra=_FORM)
    async def upload_file(request: Request) -> Response:
        """Upload a file, e.g. the input of a batch with purpose `batch`."""
        try:
            return JSONResponse((await _upload(batching, request)).shown())
        except Gone:
            return Response(status_code=499)

    @app.get("/v1/files", tags=["files"])
    async def list_files(
        after: str | None = None, limit: str | None = None, order: str | None = None, purpose: str | None = None
    ) -> dict[str, Any]:
        """The files, the newest first."""
        most = page_size(limit, MOST_LISTED, MOST_LISTED)
        if order not in (None, "asc", "desc"):
            raise InvalidRequest(f"'order' is '{order[:64]}': write asc or desc.", param="order", code="invalid_value")
        store = batching.store
        found: list[File] | None = [] if after is None else None
        if store.exists():
            options = {"after": after, "limit": most + 1, "newest_first": order != "asc", "purpose": purpose}
            found = await batching.ask(lambda: store.state.files(store.clock(), **options))  # type: ignore[arg-type]
        if found is None:
            raise no_file(after or "", "after")
        return page([file.shown() for file in found], most)

    @app.get("/v1/files/{file_id}", tags=["files"])
    async def retrieve_file(file_id: str) -> dict[str, Any]:
        """What is known of a file."""
        return (await _file(batching, file_id)).shown()

    @app.get("/v1/files/{file_id}/content", tags=["files"])
    async def file_content(file_id: str) -> Response:
        """What a file holds."""
        file = await _file(batching, file_id)
        path = batching.store.files.of(file.id)
        if not await batching.ask(path.exists):
            raise no_file(file_id)
        lines = file.purpose in ("batch", "batch_output") and Path(file.name).suffix in (".jsonl", ".ndjson")
        kind = "application/jsonl" if lines else "application/octet-stream"  # nothing that a browser would run
        return FileResponse(path, media_type=kind, filename=file.name, headers={"x-content-type-options": "nosniff"})

    @app.delete("/v1/files/{file_id}", tags=["files"])
    async def delete_file(file_id: str) -> dict[str, Any]:
        """Delete a file. A batch that reads it has its own hold on it, and goes on."""
        if not await batching.ask(batching.store.delete_file, file_id):
            raise no_file(file_id)
        return {"id": file_id, "object": "file", "deleted": True}


async def _upload(batching: Batching, request: Request) -> File:
    store, settings = batching.store, batching.settings.batch
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > settings.max_file * READ_REFUSED + FORM:
        raise too_large(settings.max_file)
    aside = await batching.keep(store.files.aside)
    try:
        form = Form(request.headers.get("content-type", ""), aside, settings.max_file)
        silence = batching.settings.gateway.timeouts.body
        await batching.full(read(request, form, batching.uploads, silence, int(settings.max_file * READ_REFUSED)))
        if form.filename is None:
            raise InvalidRequest(f"'file' is missing: {EXAMPLE}.", param="file", code="missing_required_parameter")
        now = int(store.clock())
        keep = _keep(form.fields)
        if keep is None and settings.keep_files is not None:
            keep = int(settings.keep_files)
        expires = None if keep is None else now + keep
        file = File(new_id("file-"), now, aside.size, form.filename, _purpose(form.fields), expires)

        def done() -> None:
            aside.keep(store.files.of(file.id))
            store.state.add_files([file])

        await batching.keep(done)
        batching.wake()
        return file
    finally:
        await batching.ask(lambda: aside.__exit__(None, None, None))


def _purpose(fields: dict[str, str]) -> str:
    purpose = fields.get("purpose")
    if purpose is None:
        raise InvalidRequest(f"'purpose' is missing: {EXAMPLE}.", param="purpose", code="missing_required_parameter")
    if purpose not in PURPOSES:
        known = ", ".join(f"'{name}'" for name in PURPOSES)
        raise InvalidRequest(f"'{purpose[:64]}' is not one of {known}.", param="purpose", code="invalid_value")
    return purpose


def _keep(fields: dict[str, str]) -> int | None:
    """Seconds of `expires_after`; None where it is not said."""
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    return keep_of(anchor, int(seconds) if seconds is not None and seconds.isdigit() and len(seconds) < 10 else seconds, "expires_after")


def keep_of(anchor: object, seconds: object, param: str) -> int:
    """Seconds that a file is kept. Raises InvalidRequest."""
    if anchor != "created_at":
        raise InvalidRequest(f"'{param}.anchor' must be 'created_at'.", param=f"{param}.anchor", code="invalid_value")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST_KEEP <= seconds <= LONGEST_KEEP:
        wanted = f"an integer from {SHORTEST_KEEP} (an hour) to {LONGEST_KEEP} (30 days)"
        raise InvalidRequest(f"'{param}.seconds' must be {wanted}.", param=f"{param}.seconds", code="invalid_value")
    return seconds


async def _file(batching: Batching, file_id: str) -> File:
    file: File | None = await batching.ask(batching.store.file, file_id)
    if file is None:
        raise no_file(file_id)
    return file


def no_file(file_id: str, param: str = "id") -> UnknownObject:
    return UnknownObject(f"No such File object: {file_id[:100]}", param=param)


def page_size(limit: str | None, most: int, default: int) -> int:
    """Raises InvalidRequest."""
    if limit is None:
        return default
    if not limit.isascii() or not limit.isdigit() or len(limit) > 9 or not 1 <= int(limit) <= most:
        raise InvalidRequest(f"'limit' is '{limit[:64]}': write a number from 1 to {most}.", param="limit", code="invalid_value")
    return int(limit)


def page(found: list[dict[str, Any]], most: int) -> dict[str, Any]:
    """A page of up to `most` of `found`, which is one longer where there are more."""
    data = found[:most]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > most,
    }


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer", "minimum": SHORTEST_KEEP, "maximum": LONGEST_KEEP},
                    },
                }
            }
        },
    }
}
