"""/v1/files, asked by the `openai` package and by hand."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest

from server.gateway.upload import only_name
from tests.scripted import Scripted
from tests.server.gateway.conftest import Gateways, Running

LINES = b'{"custom_id": "a"}\n{"custom_id": "b"}\n'


@pytest.fixture
async def running(gateway: Gateways, engine: Scripted) -> AsyncIterator[Running]:
    async with gateway(engine, batch={"max_file": "1MB"}) as running:
        yield running


def contents(running: Running) -> list[str]:
    """What lies in the folder of files, unfinished uploads too."""
    folder = running.app.batching.store.files.path
    return sorted(os.listdir(folder)) if folder.exists() else []


def sync(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)


async def test_an_upload_has_every_field_of_openais_file_object(running: Running) -> None:
    file = await running.openai().files.create(file=("in.jsonl", LINES), purpose="batch")
    assert file.id.startswith("file-")
    assert (file.object, file.bytes, file.filename, file.purpose) == ("file", len(LINES), "in.jsonl", "batch")
    assert (file.status, file.status_details, file.expires_at) == ("processed", None, None)
    assert file.created_at > 1_700_000_000
    assert await running.openai().files.retrieve(file.id) == file


async def test_the_package_uploads_paths_bytes_streams_and_tuples(running: Running, tmp_path: Path) -> None:
    (tmp_path / "path.jsonl").write_bytes(LINES)
    client = running.openai()
    with (tmp_path / "path.jsonl").open("rb") as opened:
        for given in (tmp_path / "path.jsonl", LINES, io.BytesIO(LINES), ("n.jsonl", LINES, "text/plain"), opened):
            file = await client.files.create(file=given, purpose="batch")
            assert (await client.files.content(file.id)).content == LINES


async def test_the_package_without_asyncio_works_as_well(running: Running, tmp_path: Path) -> None:
    def all_of_it() -> None:
        with sync(running) as client:
            raw = client.files.with_raw_response.create(file=("in.jsonl", LINES), purpose="batch")
            assert raw.headers["x-request-id"].startswith("req_")
            file = raw.parse()
            assert client.files.wait_for_processing(file.id).status == "processed"
            assert [f.id for f in client.files.list()] == [file.id]
            content = client.files.content(file.id)
            assert content.text == LINES.decode()
            assert list(content.iter_lines()) == LINES.decode().splitlines()
            client.files.content(file.id).write_to_file(tmp_path / "got.jsonl")
            with client.files.with_streaming_response.content(file.id) as stream:
                stream.stream_to_file(tmp_path / "streamed.jsonl")
            assert client.files.delete(file.id).deleted

    await asyncio.to_thread(all_of_it)
    assert (tmp_path / "got.jsonl").read_bytes() == (tmp_path / "streamed.jsonl").read_bytes() == LINES


async def test_content_is_sent_as_lines_or_bytes_and_never_as_what_a_browser_runs(running: Running) -> None:
    client = running.openai()
    for name, kind in (("in.jsonl", "application/jsonl"), ("page.html", "application/octet-stream")):
        file = await client.files.create(file=(name, b"<script>"), purpose="batch")
        answer = await client.files.with_raw_response.content(file.id)
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-length"] == "8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert f'filename="{name}"' in answer.headers["content-disposition"]


async def test_pages_follow_each_other_in_both_orders(running: Running) -> None:
    client = running.openai()
    made = [(await client.files.create(file=(f"{n}.jsonl", LINES), purpose="batch")).id for n in range(5)]
    assert [f.id async for f in client.files.list(limit=2)] == made[::-1]
    assert [f.id async for f in client.files.list(limit=2, order="asc")] == made
    page = await client.files.list(limit=2, order="asc")
    assert page.has_more
    assert (page.first_id, page.last_id) == (made[0], made[1])  # type: ignore[attr-defined]


async def test_a_list_goes_on_behind_a_file_that_was_deleted_meanwhile(running: Running) -> None:
    client = running.openai()
    made = [(await client.files.create(file=("x.jsonl", LINES), purpose="batch")).id for _ in range(3)]
    await client.files.delete(made[1])
    page = await client.files.list(order="asc", after=made[1])
    assert [f.id for f in page.data] == made[2:]


async def test_a_list_is_of_one_purpose_where_it_is_asked_for(running: Running) -> None:
    client = running.openai()
    await client.files.create(file=("a.jsonl", LINES), purpose="batch")
    other = await client.files.create(file=("b.txt", LINES), purpose="user_data")
    assert [f.id async for f in client.files.list(purpose="user_data")] == [other.id]
    assert [f.id async for f in client.files.list(purpose="batch_output")] == []


async def test_a_list_before_the_first_file_is_empty_and_makes_nothing_on_the_disk(running: Running) -> None:
    page = await running.openai().files.list()
    assert (page.data, page.has_more) == ([], False)
    assert not running.app.batching.store.path.exists()


async def test_a_deleted_file_is_gone(running: Running) -> None:
    client = running.openai()
    file = await client.files.create(file=("a.jsonl", LINES), purpose="batch")
    deleted = await client.files.delete(file.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (file.id, "file", True)
    assert contents(running) == []
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {file.id}") as caught:
            await call(file.id)
        assert caught.value.type == "invalid_request_error"


async def test_a_file_expires_when_its_upload_said_so(running: Running) -> None:
    client = running.openai()
    file = await client.files.create(
        file=("a.jsonl", LINES), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )  # fmt: skip
    assert file.expires_at == file.created_at + 3600
    running.app.batching.store.clock = lambda: file.created_at + 3600.0
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)
    running.app.batching.wake()
    async with asyncio.timeout(5):
        while contents(running):
            await asyncio.sleep(0.01)


async def test_files_are_kept_as_long_as_the_configuration_says(gateway: Gateways, engine: Scripted) -> None:
    async with gateway(engine, batch={"keep_files": "2h"}) as running:
        file = await running.openai().files.create(file=("a.jsonl", LINES), purpose="batch")
        assert file.expires_at == file.created_at + 7200


@pytest.mark.parametrize("seconds", [3599, 2592001, "soon"])
@pytest.mark.parametrize("anchor", ["created_at", "last_used"])
async def test_an_expiry_that_openai_refuses_is_refused(running: Running, seconds: object, anchor: str) -> None:
    with pytest.raises(openai.BadRequestError, match="expires_after"):
        await running.openai().files.create(
            file=("a.jsonl", LINES), purpose="batch", expires_after={"anchor": anchor, "seconds": seconds}  # type: ignore[typeddict-item]
        )  # fmt: skip
    assert contents(running) == []


async def test_an_unknown_purpose_is_refused_with_the_known_ones(running: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="'fine-tune'") as caught:
        await running.openai().files.create(file=("a.jsonl", LINES), purpose="batches")  # type: ignore[arg-type]
    assert caught.value.param == "purpose"
    assert contents(running) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("/tmp/x.jsonl", "x.jsonl"),
        ("C:\\data\\x.jsonl", "x.jsonl"),
        ("..", "upload"),
        ("", "upload"),
        ("a\nb\x00.jsonl", "ab.jsonl"),
        ("질문 모음.jsonl", "질문 모음.jsonl"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_only_a_name(given: str, kept: str) -> None:
    assert only_name(given) == kept


async def test_a_korean_name_stays_as_it_is(running: Running) -> None:
    file = await running.openai().files.create(file=("질문 모음.jsonl", LINES), purpose="batch")
    assert file.filename == "질문 모음.jsonl"
    assert "filename*=" in (await running.openai().files.with_raw_response.content(file.id)).headers["content-disposition"]


async def test_a_file_that_is_too_large_is_refused_while_it_comes_and_leaves_nothing(running: Running) -> None:
    for size in (10**6 + 1, 3 * 10**6):  # a little, which is read to its end, and far too large
        with pytest.raises(openai.APIStatusError, match="max_file") as caught:
            await running.openai().files.create(file=("a.jsonl", b"x" * size), purpose="batch")
        assert (caught.value.status_code, caught.value.code) == (413, "file_too_large")
    assert contents(running) == []
    await running.openai().files.create(file=("a.jsonl", b"x" * 10**6), purpose="batch")


async def test_an_upload_without_a_length_is_limited_too(running: Running) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(12):
            yield b"x" * 100_000
        yield b"\r\n--b--\r\n"

    async with running.http() as client:
        answer = await client.post("/v1/files", content=body(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413
    assert contents(running) == []


async def test_an_upload_that_breaks_off_leaves_nothing(running: Running) -> None:
    head = b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9999\r\n\r\n"
    part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 2000
    _, writer = await running.raw(head + part)
    async with asyncio.timeout(5):
        while not contents(running):
            await asyncio.sleep(0.005)
        writer.close()
        while contents(running):
            await asyncio.sleep(0.005)


FORM = "multipart/form-data; boundary=b"
FIELD = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch'
NO_FILE = b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"{}", "not a form"),
        ("multipart/form-data", b"--b", "not a form"),
        (FORM, b"--b\r\nnonsense\r\n", "broken"),
        (FORM, FIELD, "ends before"),
        (FORM, FIELD + b"\r\n--b--\r\n", "'file' is missing"),
        (FORM, NO_FILE, "not a file"),
    ],
)
async def test_what_is_no_upload_is_said_in_words(running: Running, kind: str, body: bytes, said: str) -> None:
    async with running.http() as client:
        answer = await client.post("/v1/files", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert contents(running) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "order=up"])
async def test_a_wrong_page_is_refused(running: Running, query: str) -> None:
    async with running.http() as client:
        answer = await client.get(f"/v1/files?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == query.split("=")[0]


async def test_a_list_behind_a_file_that_never_was_is_404(running: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        await running.openai().files.list(after="file-nope")


async def test_a_full_disk_is_told_and_leaves_nothing(running: Running, tmp_path: Path) -> None:
    class Full:
        def __init__(self, path: Path) -> None:
            self.path = path
            self.size = 0

        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        def __exit__(self, *exc: object) -> None:
            pass

    running.app.batching.store.files.aside = lambda: Full(tmp_path / "x")  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(openai.APIStatusError, match="No space left") as caught:
        await running.openai().files.create(file=("a.jsonl", LINES), purpose="batch")
    assert (caught.value.status_code, caught.value.code) == (507, "disk_full")


async def test_an_upload_takes_little_memory(gateway: Gateways, engine: Scripted) -> None:
    size = 40 * 2**20

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        for _ in range(size // 2**18):
            yield b"x" * (2**18 - 2) + b"\r\n"
        yield b"\r\n--b--\r\n"

    async with gateway(engine) as running:
        async with httpx.AsyncClient(timeout=60) as client:
            tracemalloc.start()
            try:
                answer = await client.post(
                    f"{running.url}/v1/files", content=body(), headers={"content-type": "multipart/form-data; boundary=b"}
                )
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert answer.json()["bytes"] == size
        assert peak < 12 * 2**20


async def test_the_routes_are_in_the_document_and_in_the_log(running: Running) -> None:
    async with running.http() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"post", "get"} <= set(paths["/v1/files"])
        assert {"get", "delete"} <= set(paths["/v1/files/{file_id}"])
        await client.get("/v1/files")
    assert ("GET", "/v1/files", 200) in [(line["method"], line["path"], line["status"]) for line in running.log]
    assert json.dumps(paths["/v1/files"]["post"]["requestBody"]).count("purpose") == 2
