"""`sllm bench serve` against servers that do well, do badly, and die."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.records import Load
from benchmarks.metrics import slo
from benchmarks.prompts.requests import PromptOptions
from benchmarks.reports import document
from benchmarks.runs import serve
from benchmarks.runs.serve import ServeOptions
from tests.scripted import DONE, SSE_HEAD, USAGE, Reply, Request, Scripted, chunk, scripted_in_thread

NO_CACHE = "no-cache, no-store"
ANSWER = ("one ", "two ", "three")


class Model:
    """A model `m` that answers three words. `fails`: what the request with that number meets, from 1, the warm-up's first included."""

    def __init__(self, fails: Any = None, card: dict[str, Any] | None = None, ready: tuple[int, Any] = (404, {})) -> None:
        self.fails, self.card, self.ready = fails or (lambda number: None), card or {}, ready
        self.asked: list[Request] = []
        self.tokenizes = True

    async def __call__(self, request: Request, reply: Reply) -> None:
        if request.path == "/ready":
            await reply.json(self.ready[1], self.ready[0])
        elif request.path == "/v1/models":
            await reply.json({"object": "list", "data": [{"id": "m", "object": "model", "max_model_len": 2048, **self.card}]})
        elif request.path == "/tokenize" and not self.tokenizes:
            await reply.json({"error": {"message": "no tokenizer now"}}, 500)
        elif request.path == "/tokenize":
            text = request.json.get("prompt") or " ".join(message["content"] for message in request.json["messages"])
            ids = [sum(map(ord, word)) for word in text.split()]
            await reply.json({"count": len(ids), "max_model_len": 2048, "tokens": ids})
        elif request.path == "/detokenize":
            await reply.json({"prompt": " ".join(f"w{number}" for number in request.json["tokens"])})
        elif request.method == "POST":
            await self.answer(request, reply)
        else:
            await reply.json({"error": {"message": "not here"}}, 404)

    async def answer(self, request: Request, reply: Reply) -> None:
        self.asked.append(request)
        match self.fails(len(self.asked)):
            case None:
                await reply.raw(SSE_HEAD)
                for piece in (*(chunk({"content": word}) for word in ANSWER), chunk({}, "length"), USAGE, DONE, b""):
                    await reply.chunk(piece)
            case "reset":
                reply.reset()
            case status:
                await reply.json({"error": {"message": "too busy now"}}, status)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def server(model: Model) -> Iterator[Scripted]:
    with scripted_in_thread(model) as running:
        yield running


PROMPTS = PromptOptions(dataset="text", endpoint="chat", input_tokens=12, output_tokens=3)


def options(*servers: Scripted, **given: Any) -> ServeOptions:
    usual: dict[str, Any] = {"loads": (Load("closed", concurrency=2, requests=6), Load("open", rate=500.0, requests=5))}
    return ServeOptions(urls=tuple(server.url for server in servers), prompts=PROMPTS, **{**usual, "warm_up": 1, **given})


def files(folder: Path, count: int = 1) -> list[Path]:
    return [folder / f"{number}.json" for number in range(count)]


def test_every_level_of_every_round_is_kept_with_its_figures(server: Scripted, tmp_path: Path):
    (made,) = serve.run(options(server, repeat=2, slo=slo.parse("ttft=10s")), files(tmp_path))
    assert (made["status"], made["note"]) == ("complete", None)
    assert [(level["load"]["mode"], level["repeat"]) for level in made["levels"]] == [
        ("closed", 0),
        ("open", 0),
        ("closed", 1),
        ("open", 1),
    ]
    summary = made["levels"][0]["summary"]
    assert summary["requests"] == {"sent": 6, "completed": 6, "failed": 0, "errors": {}}
    assert summary["output_tokens"] == 18
    assert summary["goodput"]["share"] == 1.0
    assert made["checks"]["token_count"]["equal"] == made["checks"]["token_count"]["checked"] > 0
    assert document.load(tmp_path / "0.json") == json.loads(json.dumps(made))


def test_the_prompts_of_no_two_levels_are_the_same(server: Scripted, model: Model, tmp_path: Path):
    serve.run(options(server, repeat=2), files(tmp_path))
    said = [request.json["messages"][0]["content"] for request in model.asked]
    assert len(set(said)) == len(said) == 23  # with one of the warm-up


def test_failures_are_counted_and_the_run_goes_on(tmp_path: Path):
    with scripted_in_thread(Model(lambda number: 503 if number in (3, 4) else None)) as server:
        (made,) = serve.run(options(server), files(tmp_path))
    assert made["status"] == "complete"
    assert made["levels"][0]["summary"]["requests"] == {"sent": 6, "completed": 4, "failed": 2, "errors": {"status 503": 2}}
    assert any("too busy now" in request["detail"] for request in made["levels"][0]["requests"])


def test_a_server_that_dies_half_way_leaves_what_it_had_answered(tmp_path: Path):
    with scripted_in_thread(Model(lambda number: "reset" if number > 9 else None)) as server:
        (made,) = serve.run(
            options(server, loads=(Load("closed", concurrency=2, requests=6), Load("closed", concurrency=2, requests=90))), files(tmp_path)
        )
    assert made["status"] == "partial"
    assert "the server stopped answering" in made["note"]
    first, second = (level["summary"]["requests"] for level in made["levels"])
    assert first["completed"] == 6
    assert second["completed"] == 2
    assert second["failed"] == second["sent"] - 2 > 0
    assert document.load(tmp_path / "0.json")["status"] == "partial"


def test_a_server_that_answers_none_of_the_warm_up_ends_the_run_with_its_words(tmp_path: Path):
    with scripted_in_thread(Model(lambda number: 500)) as server, pytest.raises(BenchError, match="too busy now"):
        serve.run(options(server), files(tmp_path))


def test_a_model_that_is_not_served_is_told_with_those_that_are(server: Scripted, tmp_path: Path):
    with pytest.raises(BenchError, match=r"does not serve 'other'; it serves m"):
        serve.run(options(server, model="other"), files(tmp_path))


def test_a_server_that_does_not_become_ready_is_told_with_what_it_says(tmp_path: Path):
    loading = Model(ready=(503, {"error": {"message": "loading: 12 of 40 layers"}}))
    with scripted_in_thread(loading) as server, pytest.raises(BenchError, match=r"loading: 12 of 40 layers.*--ready-timeout"):
        serve.run(options(server, ready_timeout=0.0), files(tmp_path))


def test_where_nothing_listens_it_says_how_to_start_a_server(tmp_path: Path):
    with scripted_in_thread(Model()) as server:
        gone = server
    with pytest.raises(BenchError, match="sllm serve"):
        serve.run(options(gone, ready_timeout=0.0), files(tmp_path))


def test_prompts_that_the_model_cannot_take_are_refused_before_anything_is_sent(server: Scripted, model: Model, tmp_path: Path):
    with pytest.raises(BenchUsageError, match="2048"):
        serve.run(replace(options(server), prompts=replace(PROMPTS, input_tokens=2047)), files(tmp_path))
    assert model.asked == []


def test_two_servers_take_turns_and_the_order_turns_around(tmp_path: Path):
    order: list[str] = []
    one, two = Model(lambda number: order.append("one")), Model(lambda number: order.append("two"))
    with scripted_in_thread(one) as a, scripted_in_thread(two) as b:
        load = (Load("closed", concurrency=1, requests=2),)
        made = serve.run(options(a, b, loads=load, repeat=2), files(tmp_path, 2))
    assert order == ["one", "two", "one", "one", "two", "two", "two", "two", "one", "one"]
    assert [len(each["levels"]) for each in made] == [2, 2]


def test_what_goes_wrong_between_two_levels_leaves_the_first(tmp_path: Path):
    def tokenizes(number: int) -> None:
        if number == 7:  # the last of the first level, after one of the warm-up
            model.tokenizes = False

    with scripted_in_thread(model := Model(tokenizes)) as server:
        (made,) = serve.run(options(server), files(tmp_path))
    assert made["status"] == "partial"
    assert "/tokenize" in made["note"]
    assert [level["summary"]["requests"]["completed"] for level in made["levels"]] == [6]


def test_a_fault_of_ours_is_not_taken_for_an_end(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fault(*_: Any) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(serve, "named", fault)
    with pytest.raises(ValueError, match="a fault"):
        serve.run(options(server), files(tmp_path))


def test_ctrl_c_keeps_what_is_done(tmp_path: Path):
    def interrupt(number: int) -> None:
        if number == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with scripted_in_thread(Model(interrupt)) as server:
        (made,) = serve.run(options(server, loads=(Load("closed", concurrency=1, requests=300),)), files(tmp_path))
    assert made["status"] == "partial"
    assert made["note"].startswith("interrupted")
    assert made["levels"][0]["summary"]["requests"]["completed"] >= 3


def test_no_cache_answers_unless_asked_for(server: Scripted, model: Model, tmp_path: Path):
    serve.run(options(server), files(tmp_path))
    assert {request.headers.get("cache-control") for request in model.asked} == {NO_CACHE}
    model.asked.clear()
    serve.run(options(server, cache=True), files(tmp_path))
    assert {request.headers.get("cache-control") for request in model.asked} == {None}


def test_vllm_gets_a_salt_so_that_no_earlier_run_helps(tmp_path: Path):
    salts = []
    for _ in range(2):
        with scripted_in_thread(vllm := Model(card={"engine": "vllm 0.32.0"})) as server:
            serve.run(options(server), files(tmp_path))
        salts.append({request.json.get("cache_salt") for request in vllm.asked})
    first, second = salts
    assert None not in first
    assert not first & second
