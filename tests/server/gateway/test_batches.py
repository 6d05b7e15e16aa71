"""/v1/batches, asked by the `openai` package: the application on a port in front of a scripted engine."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest
from openai.types import Batch

from tests.scripted import CHAT, Reply, Request, Scripted
from tests.server.gateway.conftest import Gateways, Running

CHATS = "/v1/chat/completions"


def line(custom_id: str = "a", text: str = "Hello", url: str = CHATS, model: str = "m", **body: Any) -> dict[str, Any]:
    messages = {"messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": model, **(body or messages)}}


def jsonl(*lines: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode()) + b"\n" for one in lines)


class Talk:
    """Answers `<text>`; a text "refuse" is refused, "gate" waits until `gate` is set. `open` is how many wait now."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.seen: list[str] = []
        self.open = 0

    async def __call__(self, request: Request, reply: Reply) -> None:
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
            return
        text = request.json["messages"][-1]["content"]
        self.seen.append(text)
        if text.startswith("refuse"):
            await reply.json({"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": "no"}}, 400)
            return
        if text.startswith("gate"):
            self.open += 1
            try:
                await self.gate.wait()
            finally:
                self.open -= 1
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 2}}
        choice = {"index": 0, "message": {"role": "assistant", "content": f"<{text}>"}, "finish_reason": "stop"}
        await reply.json({**CHAT, "choices": [choice], "usage": usage})


@pytest.fixture
def talk(engine: Scripted) -> Talk:
    engine.script = talk = Talk()
    return talk


@pytest.fixture
async def running(gateway: Gateways, engine: Scripted, talk: Talk) -> AsyncIterator[Running]:
    async with gateway(engine, batch={"concurrency": 4, "max_lines": 500}) as running:
        assert running.app.batching.worker is not None
        running.app.batching.worker.poll = 0.05
        yield running
        talk.gate.set()


async def create(running: Running, data: bytes, **options: Any) -> Batch:
    client = running.openai()
    file = await client.files.create(file=("in.jsonl", data), purpose="batch")
    wanted: dict[str, Any] = {"endpoint": CHATS, "completion_window": "24h", **options}
    return await client.batches.create(input_file_id=file.id, **wanted)


async def until(running: Running, batch: Batch, *statuses: str) -> Batch:
    client = running.openai()
    end = time.monotonic() + 60
    while (batch := await client.batches.retrieve(batch.id)).status not in statuses:
        assert time.monotonic() < end, batch
        await asyncio.sleep(0.02)
    return batch


async def when(look: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.005)


async def lines(running: Running, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(one) for one in (await running.openai().files.content(file_id)).text.splitlines()]


def left(running: Running) -> list[str]:
    return os.listdir(running.app.batching.store.path / "work")


async def test_a_batch_is_created_as_openai_shows_it(running: Running) -> None:
    batch = await create(running, jsonl(line()), metadata={"job": "nightly"})
    assert batch.id.startswith("batch_")
    assert (batch.object, batch.endpoint, batch.status, batch.completion_window) == ("batch", CHATS, "validating", "24h")
    assert batch.expires_at == batch.created_at + 86400
    assert batch.metadata == {"job": "nightly"}
    assert batch.errors is batch.output_file_id is batch.error_file_id is batch.in_progress_at is None


async def test_it_completes_with_an_output_file_and_no_error_file(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(*(line(f"id-{n}", f"질문 {n}") for n in range(150))))
    batch = await until(running, batch, "completed", "failed")
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (150, 150, 0)
    assert batch.created_at <= (batch.in_progress_at or 0) <= (batch.finalizing_at or 0) <= (batch.completed_at or 0)
    assert batch.error_file_id is None
    assert batch.model == "m"
    found = await lines(running, batch.output_file_id)
    assert [one["custom_id"] for one in found] == [f"id-{n}" for n in range(150)]
    for n, one in enumerate(found):
        assert one["error"] is None
        assert one["response"]["status_code"] == 200
        assert one["response"]["body"]["choices"][0]["message"]["content"] == f"<질문 {n}>"
    assert len(talk.seen) == 150
    await when(lambda: not left(running))


async def test_usage_is_the_sum_of_what_the_answers_say(running: Running) -> None:
    batch = await until(running, await create(running, jsonl(line("a"), line("b"))), "completed")
    usage = batch.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.input_tokens_details.cached_tokens) == (10, 6, 16, 4)


async def test_lines_that_are_refused_go_to_the_error_file(running: Running) -> None:
    batch = await until(running, await create(running, jsonl(line("a"), line("b", "refuse"), line("c"))), "completed")
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
    assert [one["custom_id"] for one in await lines(running, batch.output_file_id)] == ["a", "c"]
    (bad,) = await lines(running, batch.error_file_id)
    assert (bad["custom_id"], bad["line"], bad["response"]["status_code"]) == ("b", 2, 400)
    assert bad["response"]["body"]["error"]["code"] == "no"


async def test_without_one_good_line_there_is_no_output_file(running: Running) -> None:
    batch = await until(running, await create(running, jsonl(line("a", "refuse"))), "completed")
    assert batch.output_file_id is None
    assert batch.error_file_id is not None


async def test_its_files_are_listed_named_and_expire_as_asked(running: Running) -> None:
    data = jsonl(line("a"), line("b", "refuse"))
    batch = await create(running, data, output_expires_after={"anchor": "created_at", "seconds": 7200})
    batch = await until(running, batch, "completed")
    files = [file async for file in running.openai().files.list(purpose="batch_output")]
    assert {file.id for file in files} == {batch.output_file_id, batch.error_file_id}
    assert {file.filename for file in files} == {f"{batch.id}_output.jsonl", f"{batch.id}_error.jsonl"}
    assert all(file.expires_at == file.created_at + 7200 for file in files)


async def test_counts_move_while_it_runs(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(line("a"), line("b"), line("c", "gate")))
    await when(lambda: talk.open)
    async with asyncio.timeout(10):
        while True:
            batch = await running.openai().batches.retrieve(batch.id)
            if batch.request_counts is not None and batch.request_counts.completed == 2:
                break
    assert (batch.status, batch.request_counts.total) == ("in_progress", 3)
    assert batch.output_file_id is None
    talk.gate.set()
    await until(running, batch, "completed")


async def test_cancelling_ends_the_engines_work_and_keeps_what_is_done(running: Running, engine: Scripted, talk: Talk) -> None:
    batch = await create(running, jsonl(line("a"), *(line(f"g{n}", f"gate {n}") for n in range(300))))
    await when(lambda: talk.open >= 3)
    engine.closed.clear()
    batch = await running.openai().batches.cancel(batch.id)
    assert batch.status in ("cancelling", "cancelled")
    assert batch.cancelling_at is not None
    await asyncio.wait_for(engine.closed.wait(), 10)
    batch = await until(running, batch, "cancelled")
    assert batch.cancelled_at is not None
    assert [one["custom_id"] for one in await lines(running, batch.output_file_id)] == ["a"]
    rest = await lines(running, batch.error_file_id)
    assert [one["custom_id"] for one in rest] == [f"g{n}" for n in range(300)]
    assert {one["error"]["code"] for one in rest} == {"batch_cancelled"}
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (301, 1, 300)
    assert talk.open == 0
    await when(lambda: not left(running))


async def test_cancelling_again_is_no_error_and_cancelling_what_is_over_is(running: Running, talk: Talk) -> None:
    client = running.openai()
    batch = await create(running, jsonl(line("a", "gate")))
    await when(lambda: talk.open)
    first, second = await asyncio.gather(client.batches.cancel(batch.id), client.batches.cancel(batch.id), return_exceptions=True)
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    await until(running, batch, "cancelled")
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'cancelled'"):
        await client.batches.cancel(batch.id)


async def test_a_batch_that_is_not_done_in_its_window_expires_with_what_is_done(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(line("a"), line("b", "gate"), line("c", "gate")), completion_window="30m")
    assert batch.expires_at == batch.created_at + 1800
    await when(lambda: talk.open == 2 and "Hello" in talk.seen)
    await asyncio.sleep(0.1)
    running.app.batching.store.clock = lambda: time.time() + 1801
    batch = await until(running, batch, "expired")
    assert batch.expired_at is not None
    assert [one["custom_id"] for one in await lines(running, batch.output_file_id)] == ["a"]
    rest = await lines(running, batch.error_file_id)
    assert [(one["custom_id"], one["error"]["code"], one["response"]) for one in rest] == [
        ("b", "batch_expired", None),
        ("c", "batch_expired", None),
    ]
    await when(lambda: talk.open == 0)


BAD_FILES = [
    pytest.param(b"", "empty_file", None, id="empty"),
    pytest.param(b"\n\n", "empty_file", None, id="blank"),
    pytest.param(b"hello\n", "invalid_json_line", 1, id="no JSON"),
    pytest.param(jsonl(line("a"), line("b", url="/v1/embeddings")), "invalid_url", 2, id="mixed urls"),
    pytest.param(jsonl(line("a", url="/v1/nope")), "invalid_url", 1, id="wrong url"),
    pytest.param(jsonl(line("a"), line("b", stream=True)), "unsupported_parameter", 2, id="stream"),
    pytest.param(jsonl(line("a"), line("b", model="gpt-4o")), "model_not_found", 2, id="model"),
    pytest.param(jsonl(line("a"), line("a")), "duplicate_custom_id", 2, id="twice"),
    pytest.param(jsonl(line("a"), b'{"custom_id": "\xff"}'), "invalid_utf8", 2, id="UTF-8"),
    pytest.param(jsonl(*(line(f"{n}") for n in range(501))), "too_many_tasks", None, id="too many"),
    pytest.param(jsonl(line("a"), line("b", "x" * 33 * 2**20)), "line_too_long", 2, id="a line of 33 MB"),
]


@pytest.mark.parametrize(("data", "code", "number"), BAD_FILES)
async def test_a_file_that_cannot_run_fails_with_line_and_reason(
    running: Running, talk: Talk, data: bytes, code: str, number: int | None
) -> None:
    batch = await until(running, await create(running, data), "failed", "completed")
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert batch.errors.object == "list"
    first = (batch.errors.data or [])[0]
    assert (first.code, first.line) == (code, number)
    assert len(first.message or "") > 20
    assert batch.output_file_id is batch.error_file_id is None
    assert talk.seen == []
    await when(lambda: not left(running))


async def test_a_file_from_a_windows_editor_runs(running: Running) -> None:
    data = b"\xef\xbb\xbf" + jsonl(line("a"), b"", line("b")).replace(b"\n", b"\r\n").rstrip()
    batch = await until(running, await create(running, data), "failed", "completed")
    assert [one["custom_id"] for one in await lines(running, batch.output_file_id)] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({"input_file_id": None}, "input_file_id", 400),
        ({"input_file_id": 5}, "input_file_id", 400),
        ({"input_file_id": "file-nope"}, "input_file_id", 404),
        ({"endpoint": None}, "endpoint", 400),
        ({"endpoint": "/v1/videos"}, "endpoint", 400),
        ({"completion_window": None}, "completion_window", 400),
        ({"completion_window": "tomorrow"}, "completion_window", 400),
        ({"completion_window": "0s"}, "completion_window", 400),
        ({"metadata": {f"{n}": "x" for n in range(17)}}, "metadata", 400),
        ({"metadata": {"k" * 65: "x"}}, "metadata." + "k" * 64, 400),
        ({"metadata": {"k": "x" * 513}}, "metadata.k", 400),
        ({"metadata": {"k": 5}}, "metadata.k", 400),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}}, "output_expires_after.seconds", 400),
        ({"surprise": 1}, "surprise", 400),
    ],
)
async def test_a_wrong_call_is_refused_in_openais_form(running: Running, body: dict[str, Any], param: str, status: int) -> None:
    file = await running.openai().files.create(file=("in.jsonl", jsonl(line())), purpose="batch")
    whole = {"input_file_id": file.id, "endpoint": CHATS, "completion_window": "24h", **body}
    async with running.http() as client:
        answer = await client.post("/v1/batches", json={k: v for k, v in whole.items() if v is not None})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


async def test_a_file_of_another_purpose_is_refused(running: Running) -> None:
    file = await running.openai().files.create(file=("in.jsonl", jsonl(line())), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose 'user_data'"):
        await running.openai().batches.create(input_file_id=file.id, endpoint=CHATS, completion_window="24h")


async def test_an_unknown_batch_is_404(running: Running) -> None:
    for call in (running.openai().batches.retrieve, running.openai().batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_nope'"):
            await call("batch_nope")


async def test_the_packages_pagination_goes_through_all_batches(running: Running) -> None:
    client = running.openai()
    assert [batch async for batch in client.batches.list()] == []
    made = [(await create(running, jsonl(line()))).id for _ in range(5)]
    assert [batch.id async for batch in client.batches.list(limit=2)] == made[::-1]
    raw = await client.batches.with_raw_response.list(limit=5)
    assert raw.parse().has_more is False
    assert raw.headers["x-request-id"].startswith("req_")


async def test_deleting_the_input_of_a_running_batch_loses_no_line(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(*(line(f"{n}", f"gate {n}") for n in range(200))))
    await when(lambda: talk.open)
    await running.openai().files.delete(batch.input_file_id)
    talk.gate.set()
    batch = await until(running, batch, "completed", "failed")
    assert len(await lines(running, batch.output_file_id)) == 200


async def test_an_input_that_is_changed_on_the_disk_fails_its_batch_and_keeps_what_is_done(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(line("a"), *(line(f"g{n}", f"gate {n}") for n in range(400))))
    await when(lambda: talk.open >= 3)
    with running.app.batching.store.input_path(batch.id).open("ab") as file:
        file.write(b"x")
    talk.gate.set()
    batch = await until(running, batch, "failed", "completed")
    done = await lines(running, batch.output_file_id)
    assert "a" in [one["custom_id"] for one in done]
    if batch.status == "failed":  # else all of it had been read
        assert batch.errors is not None
        assert (batch.errors.data or [])[0].code == "input_file_changed"


async def test_a_small_batch_does_not_wait_for_a_large_one(running: Running, talk: Talk) -> None:
    large = await create(running, jsonl(*(line(f"{n}", f"large {n}") for n in range(500))))
    await when(lambda: any(text.startswith("large") for text in talk.seen))
    small = await create(running, jsonl(line("s", "small")))
    await until(running, small, "completed")
    await until(running, large, "completed")
    assert "small" in talk.seen


async def test_two_clients_at_once_get_each_their_own(running: Running) -> None:
    async def one(name: str) -> list[str]:
        batch = await create(running, jsonl(*(line(f"{name}{n}", f"{name} {n}") for n in range(100))))
        batch = await until(running, batch, "completed")
        return [f["response"]["body"]["choices"][0]["message"]["content"] for f in await lines(running, batch.output_file_id)]

    first, second = await asyncio.gather(one("left"), one("right"))
    assert first == [f"<left {n}>" for n in range(100)]
    assert second == [f"<right {n}>" for n in range(100)]


async def test_a_full_disk_pauses_and_says_so_and_it_goes_on_by_itself(running: Running, talk: Talk) -> None:
    worker = running.app.batching.worker
    assert worker is not None
    worker.least_free = 2**62
    batch = await create(running, jsonl(*(line(f"{n}", f"{n}") for n in range(100))))
    async with asyncio.timeout(20):
        while not batch.errors:
            await asyncio.sleep(0.02)
            batch = await running.openai().batches.retrieve(batch.id)
    assert (batch.errors.data or [])[0].code == "disk_full"
    async with running.http() as client:
        assert 'sllm_batch_paused{reason="disk_full"} 1.0' in (await client.get("/metrics")).text
    worker.least_free = 0
    batch = await until(running, batch, "completed")
    assert batch.errors is None
    assert len(await lines(running, batch.output_file_id)) == 100


async def test_results_that_cannot_be_committed_wait_and_nothing_new_is_sent_meanwhile(running: Running, talk: Talk) -> None:
    batch = await create(running, jsonl(*(line(f"{n}", f"gate {n}") for n in range(40))))
    await when(lambda: talk.open == 4)
    worker = running.app.batching.worker
    assert worker is not None
    worker.writer.retry = 0.05
    job = worker.lanes.jobs[batch.id]
    put, tries, room = job.work.put, [], False

    def full(*args: Any) -> Any:
        tries.append(args)
        if not room:
            raise OSError(28, "No space left on device")
        return put(*args)

    job.work.put = full  # type: ignore[method-assign]
    talk.gate.set()
    await when(lambda: len(tries) > 5)
    assert (await running.openai().batches.retrieve(batch.id)).errors is not None
    seen = len(talk.seen)
    await when(lambda: len(tries) > 10)
    assert len(talk.seen) == seen < 40
    room = True
    batch = await until(running, batch, "completed")
    assert len(await lines(running, batch.output_file_id)) == len(talk.seen) == 40


async def test_metrics_count_batches_lines_and_tokens(running: Running) -> None:
    await until(running, await create(running, jsonl(line("a"), line("b"), line("c", "refuse"))), "completed")
    await asyncio.sleep(0.2)
    async with running.http() as client:
        text = (await client.get("/metrics")).text
    assert 'sllm_batch_lines_total{result="completed"} 2.0' in text
    assert 'sllm_batch_lines_total{result="failed"} 1.0' in text
    assert 'sllm_batch_tokens_total{kind="completion"} 6.0' in text
    assert 'sllm_batches{status="completed"} 1.0' in text


async def test_lines_are_not_in_the_request_log(running: Running) -> None:
    await until(running, await create(running, jsonl(line())), "completed")
    assert CHATS not in {entry["path"] for entry in running.log}
    assert "/v1/batches" in {entry["path"] for entry in running.log}


async def test_the_same_batch_runs_from_threads_without_asyncio(running: Running) -> None:
    def all_of_it() -> None:
        with openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
            file = client.files.create(file=("in.jsonl", jsonl(line())), purpose="batch")
            raw = client.batches.with_raw_response.create(input_file_id=file.id, endpoint=CHATS, completion_window="24h")
            batch = raw.parse()
            while batch.status not in ("completed", "failed"):
                time.sleep(0.05)
                batch = client.batches.retrieve(batch.id)
            assert batch.output_file_id
            assert json.loads(client.files.content(batch.output_file_id).text)["custom_id"] == "a"
            with client.batches.with_streaming_response.retrieve(batch.id) as answer:
                assert answer.parse().id == batch.id
            assert [one.id for one in client.batches.list(limit=1)] == [batch.id]

    await asyncio.to_thread(all_of_it)
