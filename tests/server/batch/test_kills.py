"""Batches over real gateway processes that are killed: nothing is lost, nothing comes twice, nothing done is done again."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from server.batch.finalise import finalise
from server.batch.lines import Limits
from server.batch.store.records import Batch, Usage
from server.batch.store.state import State
from server.batch.store.store import Store, ends
from server.batch.store.work import Kept, Range, Work
from tests.scripted import scripted_in_thread
from tests.server.batch.gateways import Gateways, Upstream, gateways, jsonl, line


def check_whole(running: Gateways, batch: dict[str, Any], count: int) -> None:
    """Each custom_id is in exactly one file, with its own answer."""
    done, failed = running.lines(batch["output_file_id"]), running.lines(batch["error_file_id"])
    ids = [one["custom_id"] for one in done + failed]
    assert sorted(ids) == sorted(f"id-{n}" for n in range(count))
    for one in done:
        assert one["response"]["body"]["choices"][0]["message"]["content"] == f"<{one['custom_id'].removeprefix('id-')}>"
    assert len({one["id"] for one in done + failed}) == count


def leftovers(running: Gateways) -> list[str]:
    folder = running.folder / "data" / "batches"
    return os.listdir(folder / "work") + [name for name in os.listdir(folder / "files") if name.startswith(".")]


@pytest.mark.parametrize("seed", [1, 2])
def test_two_workers_that_are_killed_at_random_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    count, kills = 1500, 6
    upstream = Upstream(0.02)
    with scripted_in_thread(upstream) as engine, gateways(tmp_path, engine.url, 2, concurrency=16) as running:
        batch_id = running.create(jsonl([line(f"id-{n}", str(n)) for n in range(count)]))
        most = 1
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, 1.2))
            slot = rng.randrange(2)
            running.kill(slot)
            most += 1
            running.start(slot)
        batch = running.until(batch_id, "completed", "failed")
        assert batch["status"] == "completed", batch
        assert batch["request_counts"] == {"total": count, "completed": count, "failed": 0}
        check_whole(running, batch, count)
        assert max(upstream.seen.values()) <= most
        again = sum(upstream.seen.values()) - count
        assert again <= kills * 2 * 16  # no more than what was in flight
        assert leftovers(running) == []


def put_into(running: Gateways, batch_id: str, status: str, upstream: Upstream) -> None:
    """Kill everybody while the batch is in `status`: where that takes only a moment, its row is set to what a kill leaves."""
    if status != "validating":
        while sum(upstream.seen.values()) < 20:
            time.sleep(0.01)
    running.kill(0)
    state = State(running.folder / "data" / "batches" / "state.sqlite")
    if status == "cancelling":
        changes: dict[str, Any] = {"status": "cancelling", "times": {"cancelling": 1}, **ends("cancelled")}
        assert state.change(batch_id, ("validating", "in_progress"), (), **changes) is not None
    batch = state.batch(batch_id)
    assert batch is not None
    assert batch.status == status
    state.close()


@pytest.mark.parametrize(("status", "end"), [("validating", "completed"), ("in_progress", "completed"), ("cancelling", "cancelled")])
def test_a_batch_goes_on_after_its_process_died_in_each_status(tmp_path: Path, status: str, end: str) -> None:
    upstream = Upstream(0.05)
    count = 200 if status != "validating" else 20_000
    with scripted_in_thread(upstream) as engine, gateways(tmp_path, engine.url, 1, concurrency=8) as running:
        batch_id = running.create(jsonl([line(f"id-{n}", str(n)) for n in range(count)]))
        put_into(running, batch_id, status, upstream)
        if status == "validating":
            upstream.seconds = 0.0
        running.start(0)
        batch = running.until(batch_id, "completed", "cancelled", "failed", within=120)
        assert batch["status"] == end
        check_whole(running, batch, count)
        assert max(upstream.seen.values(), default=0) <= 2
        assert leftovers(running) == []


def test_finalising_is_the_same_when_it_is_done_again(tmp_path: Path) -> None:
    """Killed after the files are in their place and before the batch says so."""
    store = Store(tmp_path)
    store.prepare()
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(f"id-{n}") for n in range(3)]))
    batch = Batch("batch_1", 1, "/v1/chat/completions", "file-in", "24h", 2**40, status="finalizing", **ends("expired"))
    store.state.add_batch(batch)
    os.link(tmp_path / "in.jsonl", store.input_path(batch.id))
    Work.make(store.work_path(batch.id), [Range(1, 3, 0, 3)])
    work = store.work(batch.id)
    work.put([Kept(2, True, b'{"custom_id":"id-1"}\n', Usage())], [])
    work.close()
    change, tries = store.state.change, []

    def die(*args: Any, **changes: Any) -> Any:
        tries.append(sorted(os.listdir(store.files.path)))
        if len(tries) == 1:
            raise OSError(5, "died")
        return change(*args, **changes)

    store.state.change = die  # type: ignore[method-assign]
    with pytest.raises(OSError, match="died"):
        finalise(store, batch, Limits(), b"12345678", None, threading.Event())
    ended = finalise(store, batch, Limits(), b"12345678", None, threading.Event())
    assert tries[0] == tries[1]  # the same names
    assert ended is not None
    assert (ended.status, ended.counts.completed, ended.counts.failed) == ("expired", 1, 2)
    assert store.files.of(str(ended.output_file)).read_bytes() == b'{"custom_id":"id-1"}\n'
    assert [json.loads(one)["custom_id"] for one in store.files.of(str(ended.error_file)).read_bytes().splitlines()] == ["id-0", "id-2"]
    store.close()


def test_sigterm_lets_running_lines_finish_and_gives_the_rest_back(tmp_path: Path) -> None:
    upstream = Upstream(0.3)
    count = 60
    with scripted_in_thread(upstream) as engine, gateways(tmp_path, engine.url, 1, concurrency=8) as running:
        batch_id = running.create(jsonl([line(f"id-{n}", str(n)) for n in range(count)]))
        while not upstream.seen:
            time.sleep(0.01)
        running.kill(0, signal.SIGTERM)
        running.start(0)
        batch = running.until(batch_id, "completed")
        check_whole(running, batch, count)
        assert set(upstream.seen.values()) == {1}
