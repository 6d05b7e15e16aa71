"""Faults, in this order, on a stack of their own: each leaves it serving for the next, and the last ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from tests.e2e.running import Stack, all_gone, ask, metric, until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def fragile(start: Callable[..., Stack], chat_model: Path) -> Stack:
    """One chat model with ngram speculation, a watchdog in a hurry, and a long drain."""
    return start(
        {
            "models": [{"name": "chat", "path": str(chat_model), "speculative": {"method": "ngram"}}],
            "watchdog": {"interval": "500ms", "probe_after": "2s", "stalled_after": "8s"},
            "restart": {"first": "100ms"},
            "gateway": {"drain_timeout": "60s"},
        }
    ).ready()


def test_ngram_speculation_is_taken(fragile: Stack) -> None:
    ask(fragile, "chat", "one two three one two three one two three one two", max_tokens=40)
    assert '"method": "ngram"' in " ".join(Path(f"/proc/{fragile.engine('chat').pid}/cmdline").read_text().split("\0"))
    assert metric(fragile, "vllm:spec_decode_num_drafts_total") >= 0


@pytest.mark.parametrize("which", ["EngineCore", "API server"])
def test_an_engine_that_stands_still_is_noticed_and_replaced(fragile: Stack, which: str) -> None:
    before = fragile.engine("chat")
    (frozen,) = [before.pid] if which == "API server" else fragile.named("EngineCore")
    tree = [pid for pid in fragile.pids() if pid == before.pid or pid in fragile.named("EngineCore")]
    os.kill(frozen, signal.SIGSTOP)
    fragile.ready(restarts=before.restarts + 1)
    assert "stalled" in fragile.said()
    assert ask(fragile, "chat", "hello").usage.completion_tokens > 0
    assert all_gone(tree)


def test_an_engine_that_is_killed_comes_back_without_orphans(fragile: Stack) -> None:
    before = fragile.engine("chat")
    tree = [before.pid, *fragile.named("EngineCore")]
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: fragile.engine("chat").phase != "ready", 10)
    with pytest.raises(openai.InternalServerError) as refused:
        ask(fragile, "chat", "hello")
    assert refused.value.status_code == 503
    assert int(refused.value.response.headers["retry-after"]) > 0
    fragile.ready(restarts=before.restarts + 1)
    assert ask(fragile, "chat", "hello").usage.completion_tokens > 0
    assert all_gone(tree)


def test_sigterm_finishes_a_running_stream_refuses_new_work_and_ends_everything(fragile: Stack) -> None:
    tree, client = fragile.pids(), fragile.client()
    length, choices = 1500, 2  # twice, and sampled: the stream must outlive what follows
    pieces: list[str | None] = []
    streaming = threading.Event()

    def stream() -> None:
        for chunk in client.completions.create(
            model="chat", prompt="once", max_tokens=length, n=choices, temperature=1, stream=True, extra_body={"ignore_eos": True}
        ):
            pieces.append(chunk.choices[0].finish_reason if chunk.choices else None)
            streaming.set()

    thread = threading.Thread(target=stream)
    thread.start()
    assert streaming.wait(30)
    fragile.process.terminate()
    until(lambda: fragile.state().draining, 10)
    time.sleep(0.2)
    with pytest.raises(openai.InternalServerError) as refused:
        ask(fragile, "chat", "hello")
    assert refused.value.status_code == 503
    assert "retry-after" in refused.value.response.headers
    assert thread.is_alive(), "the stream was over before the test could look"
    thread.join(90)
    assert pieces.count("length") == choices
    assert fragile.process.wait(30) == 0
    assert all_gone(tree)
    assert list((fragile.folder / "run").iterdir()) == []
