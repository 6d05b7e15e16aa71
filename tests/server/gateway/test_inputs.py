"""Embeddings in the gateway: a list in which some inputs are known asks the engine only for the others."""

from __future__ import annotations

from typing import Any

import httpx

from tests.scripted import Reply, Request, Scripted, generates
from tests.server.gateway.conftest import Gateways, cached
from tests.server.gateway.test_cache import ON, said

PATH = "/v1/embeddings"


def inputs_of(request: Request) -> list[str]:
    given = request.json["input"]
    return [given] if isinstance(given, str) else given


async def embeds(request: Request, reply: Reply) -> None:
    """A text of n letters is the vector [n, first letter], and n tokens."""
    texts = inputs_of(request)
    data = [{"object": "embedding", "index": i, "embedding": [len(t), ord(t[0])]} for i, t in enumerate(texts)]
    tokens = sum(map(len, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    await reply.json({"id": "embd-1", "object": "list", "created": 1, "model": "m", "data": data, "usage": usage})


def ask(*texts: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": list(texts), **more}


def engine_saw(engine: Scripted) -> list[list[str]]:
    return [inputs_of(request) for request in engine.requests if request.method == "POST"]


def vectors(answer: httpx.Response) -> list[list[float]]:
    data = answer.json()["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return [item["embedding"] for item in data]


async def test_only_what_is_missing_is_asked_for(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ask("aa"))
        await http.post(PATH, json=ask("c"))
        mixed = await http.post(PATH, json=ask("aa", "bbb", "c", "dddd"))
    assert engine_saw(engine) == [["aa"], ["c"], ["bbb", "dddd"]]
    assert vectors(mixed) == [[2, ord("a")], [3, ord("b")], [1, ord("c")], [4, ord("d")]]
    assert mixed.json()["usage"] == {"prompt_tokens": 10, "total_tokens": 10}
    assert said(mixed) == "miss"


async def test_a_list_of_which_all_is_known_asks_nobody(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        for text in ("aa", "b"):
            await http.post(PATH, json=ask(text))
        both = await http.post(PATH, json=ask("b", "aa", "b"))
        alone = await http.post(PATH, json={"model": "m", "input": "aa"})
    assert (said(both), said(alone), both.headers["age"]) == ("hit", "hit", "0")
    assert vectors(both) == [[1, ord("b")], [2, ord("a")], [1, ord("b")]]
    assert both.json()["usage"]["prompt_tokens"] == 4
    assert len(engine_saw(engine)) == 2


async def test_the_usage_is_never_made_up(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ask("aa", "b"))
        again = await http.post(PATH, json=ask("b", "aa"))
        part = await http.post(PATH, json=ask("aa"))
    assert (said(again), again.json()["usage"]["prompt_tokens"]) == ("hit", 3)
    assert (said(part), part.json()["usage"]["prompt_tokens"]) == ("miss", 2)  # of the list only the sum was known


async def test_other_parameters_are_another_vector(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ask("aa"))
        assert said(await http.post(PATH, json=ask("aa", dimensions=1))) == "miss"


async def test_control_holds_for_inputs_too(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ask("aa"), headers={"cache-control": "no-store"})
        assert said(await http.post(PATH, json=ask("aa"))) == "miss"
        assert said(await http.post(PATH, json=ask("aa"), headers={"cache-control": "no-cache"})) == "miss"
        partly = await http.post(PATH, json=ask("aa", "new"), headers={"cache-control": "only-if-cached"})
        other = await http.post(PATH, json=ask("aa"), headers={"x-sllm-cache-namespace": "n"})
    assert (partly.status_code, partly.json()["error"]["code"]) == (504, "not_in_cache")
    assert said(other) == "miss"


async def test_an_answer_that_does_not_fit_the_request_is_passed_on_and_not_kept(gateway: Gateways) -> None:
    async def short(request: Request, reply: Reply) -> None:
        await reply.json({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 7, "embedding": [1]}]})

    async with Scripted(generates(short)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        for _ in range(2):
            answer = await http.post(PATH, json=ask("a", "b"))
            assert (answer.status_code, said(answer)) == (200, "miss")
            assert answer.json()["data"][0]["index"] == 7


async def test_an_error_for_the_rest_is_the_answer(gateway: Gateways) -> None:
    async with Scripted(generates(embeds)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        await http.post(PATH, json=ask("aa"))

        async def fails(request: Request, reply: Reply) -> None:
            await reply.json({"error": {"message": "too long"}}, 400)

        engine.script = fails
        answer = await http.post(PATH, json=ask("aa", "b"))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "too long")
