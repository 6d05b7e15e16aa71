"""/v1/files and /v1/batches on the real engine, over a night in which everything is killed: a gateway worker, then the engine."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.running import Stack, metric, until

pytestmark = pytest.mark.engine

LINES = 300


def chat(custom_id: str, text: str, **body: Any) -> dict[str, Any]:
    body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 48, **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)


@pytest.fixture(scope="module")
def fragile(start: Callable[..., Stack], chat_model: Path) -> Stack:
    """Two gateway workers and one chat model."""
    model = {"name": "chat", "path": str(chat_model), "max_model_len": 512}
    gateway = {"workers": 2, "drain_timeout": "20s"}
    return start({"models": [model], "gateway": gateway, "restart": {"first": "100ms"}, "batch": {"concurrency": 16}}).ready()


def patient(stack: Stack) -> openai.OpenAI:
    """A worker that is killed takes its connections with it: the package asks again."""
    client = openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key="none", max_retries=8, timeout=120)
    stack.clients.append(client)
    return client


def test_a_batch_outlives_its_gateway_worker_and_its_engine(fragile: Stack) -> None:
    client = patient(fragile)
    lines = [chat(f"id-{n}", f"{n} + 1 = ?", seed=n) for n in range(LINES)]
    lines[7] = chat("id-7", "too long " * 2000)  # the engine refuses it
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    def done() -> int:
        counts = client.batches.retrieve(batch.id).request_counts
        return counts.completed if counts is not None else 0

    until(lambda: done() > 20, 120, fragile.said)
    for worker in fragile.named("server.gateway"):
        os.kill(worker, signal.SIGKILL)
    until(lambda: done() > 60, 120, fragile.said)
    os.kill(fragile.engine("chat").pid, signal.SIGKILL)
    end = time.monotonic() + 240
    while (batch := client.batches.retrieve(batch.id)).status not in ("completed", "failed"):
        assert time.monotonic() < end, (batch, fragile.said())
        time.sleep(0.5)
    assert batch.status == "completed", batch.errors
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    good = [json.loads(one) for one in client.files.content(batch.output_file_id).text.splitlines()]
    bad = [json.loads(one) for one in client.files.content(batch.error_file_id).text.splitlines()]
    assert [one["custom_id"] for one in bad] == ["id-7"]
    assert bad[0]["response"]["status_code"] == 400
    assert [one["custom_id"] for one in good] == [f"id-{n}" for n in range(LINES) if n != 7]
    for one in good:
        body = one["response"]["body"]
        assert body["model"] == "chat"
        assert body["choices"][0]["message"]["content"]
    assert batch.usage is not None
    assert batch.usage.output_tokens == sum(one["response"]["body"]["usage"]["completion_tokens"] for one in good)
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (LINES - 1, 1)


def test_cancelling_frees_the_engine(fragile: Stack) -> None:
    client = patient(fragile.ready(restarts=1))
    lines = [chat(f"id-{n}", "Tell me a story.", max_tokens=400, ignore_eos=True, temperature=1) for n in range(200)]
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    until(lambda: running(fragile) > 0, 60, fragile.said)
    client.batches.cancel(batch.id)
    until(lambda: running(fragile) == 0, 20, fragile.said)
    until(lambda: client.batches.retrieve(batch.id).status == "cancelled", 20, fragile.said)


def running(stack: Stack) -> float:
    return metric(stack, "vllm:num_requests_running")
