import json

import numpy as np
import pytest

from server.cache.semantic.embedders.base import EmbedderDown
from server.cache.semantic.embedders.choose import choose
from server.cache.semantic.embedders.endpoint import Endpoint, Remote, embeddings_url
from server.errors import ConfigError
from server.settings import Semantic
from tests.scripted import Scripted, json_answer


def answer(*vectors):
    return {"object": "list", "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)], "model": "e"}


async def remote(engine, **options):
    embedder = Remote(engine.url, "e", options.pop("prefix", ""), options.pop("key", None), timeout=2.0)
    await embedder.open()
    return embedder


async def test_a_server_is_asked_as_the_openai_api_says():
    async with Scripted(json_answer(answer([3.0, 4.0], [0.0, 2.0]))) as engine:
        embedder = await remote(engine, prefix="query: ")
        one, two = await embedder.embed(["a", "b"])
        await embedder.close()
    request = engine.requests[0]
    assert request.path == "/v1/embeddings"
    assert request.json == {"model": "e", "input": ["query: a", "query: b"], "encoding_format": "float"}
    assert one.tolist() == pytest.approx([0.6, 0.8])
    assert two.tolist() == pytest.approx([0.0, 1.0])
    assert one.dtype == np.float32


async def test_vectors_are_put_in_the_order_of_their_index():
    shuffled = answer([1.0, 0.0], [0.0, 1.0])
    shuffled["data"].reverse()
    async with Scripted(json_answer(shuffled)) as engine:
        embedder = await remote(engine)
        one, _ = await embedder.embed(["a", "b"])
        await embedder.close()
    assert one.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"error": {"message": "no"}}, 500),
        ({"error": {"message": "no"}}, 200),
        (b"<html>", 200),
        (answer(), 200),
        (answer([1.0], [1.0]), 200),
        (answer([0.0, 0.0]), 200),
        ({"data": [{"index": 0, "embedding": "AAAA"}]}, 200),
        ({"data": [{"index": 5, "embedding": [1.0]}]}, 200),
    ],
    ids=["500", "no data", "no JSON", "none", "too many", "no length", "base64", "other index"],
)
async def test_what_is_no_vector_counts_as_down(said, status):
    async with Scripted(json_answer(said, status)) as engine:
        embedder = await remote(engine)
        with pytest.raises(EmbedderDown):
            await embedder.embed(["a"])
        await embedder.close()


async def test_a_server_that_is_not_there_counts_as_down():
    async with Scripted() as engine:
        url = engine.url
    embedder = Remote(url, "e", "", None, timeout=2.0)
    await embedder.open()
    with pytest.raises(EmbedderDown):
        await embedder.embed(["a"])
    await embedder.close()


async def test_the_key_comes_from_the_variable_that_is_named(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    async with Scripted(json_answer(answer([1.0]))) as engine:
        embedder = await remote(engine, key="MY_KEY")
        await embedder.embed(["a"])
        await embedder.close()
    assert engine.requests[0].headers["authorization"] == "Bearer secret"


def test_a_variable_that_is_not_set_is_said(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_KEY, which is not set: export it"):
        Remote("http://h", "e", "", "MY_KEY", 1.0)


@pytest.mark.parametrize(
    "url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/embeddings", "http://h:1/v1/embeddings/"]
)
def test_the_base_may_be_written_in_any_of_the_usual_ways(url):
    assert embeddings_url(url) == "http://h:1/v1/embeddings"


@pytest.mark.parametrize("url", ["ftp://h", "http://", "unix:///x"])
def test_what_is_no_http_address_is_refused(url):
    with pytest.raises(ConfigError, match="write http://host:port/v1"):
        embeddings_url(url)


async def test_a_served_model_is_asked_through_the_gateway():
    asked = []

    def post(name):
        async def send(body):
            asked.append((name, json.loads(body)))
            return json.dumps(answer([1.0, 0.0])).encode()

        return send

    embedder = choose(Semantic(embedder="embed"), {"embed", "chat"}, post)
    assert isinstance(embedder, Endpoint)
    (vector,) = await embedder.embed(["a"])
    assert vector.tolist() == [1.0, 0.0]
    assert asked == [("embed", {"model": "embed", "input": ["a"], "encoding_format": "float"})]


def test_the_configurations_word_decides():
    assert choose(Semantic()).name.startswith("ngram")
    assert isinstance(choose(Semantic(embedder="http://h/v1", embedder_model="e")), Remote)
    assert (
        choose(Semantic(embedder="intfloat/multilingual-e5-small", prefix="query: ")).name == "onnx-intfloat/multilingual-e5-small-query: "
    )


def test_a_url_needs_the_models_name():
    with pytest.raises(ConfigError, match="embedder_model"):
        choose(Semantic(embedder="http://h/v1"))
