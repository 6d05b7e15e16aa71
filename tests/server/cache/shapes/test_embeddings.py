"""Embeddings: a list is asked for and answered input by input, with the engine's own indices and usage."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from server.cache.entry import UNKNOWN
from server.cache.identity import Identity, identify
from server.cache.shapes import answer_of, embeddings, entry_from_whole
from tests.server.cache.requests import ORIGIN
from tests.server.cache.shapes.recordings import load, read, said

PATH = "/v1/embeddings"
META: dict[str, Any] = {"created": 1.0, "model": "m", "namespace": "", "engine_seconds": 0.5}


def body(inputs: Any, **more: Any) -> bytes:
    return json.dumps({"model": "m", "input": inputs, **more}).encode()


def vector(one: Any) -> list[float]:
    return [Random(str(one)).random() for _ in range(3)]


def tokens(one: Any) -> int:
    return len(one) if isinstance(one, list) else len(one.split()) + 2


def engine(request: bytes) -> bytes:
    """What an engine answers: a vector that depends on the input alone, and the tokens of all."""
    inputs = json.loads(request)["input"]
    inputs = [inputs] if isinstance(inputs, str) or isinstance(inputs[0], int) else inputs
    total = sum(map(tokens, inputs))
    data = [{"index": index, "object": "embedding", "embedding": vector(one)} for index, one in enumerate(inputs)]
    return json.dumps({"id": "embd-1", "object": "list", "created": 7, "model": "m", "data": data, "usage": {
        "prompt_tokens": total, "total_tokens": total, "completion_tokens": 0, "prompt_tokens_details": None}}).encode()  # fmt: skip


class Cache:
    """The few lines that a gateway has around the parts. `asked` are the inputs that went to the engine."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.asked: list[Any] = []

    def ask(self, request: bytes) -> Any:
        singles = embeddings.split(request)
        assert singles is not None
        found = [identify(PATH, one, ORIGIN) for one in singles]
        keys = [one.key for one in found if isinstance(one, Identity)]
        known = [self.kept.get(key) for key in keys]
        for place in embeddings.short(known):
            known[place] = None
        wanted = [place for place, part in enumerate(known) if part is None]
        self.asked = []
        if wanted:
            sent = embeddings.batch(request, wanted)
            self.asked = json.loads(sent)["input"]
            made = embeddings.parts(request, wanted, engine(sent))
            assert made is not None
            for place, part in zip(wanted, made, strict=True):
                self.kept[keys[place]] = known[place] = part
        return json.loads(embeddings.join([part for part in known if part is not None]))


def test_a_list_asked_again_is_answered_without_the_engine():
    cache, request = Cache(), body(["a b", "c", "d e f"])
    assert cache.ask(request) == json.loads(engine(request))
    assert cache.ask(request) == json.loads(engine(request))
    assert cache.asked == []


def test_only_the_inputs_that_are_missing_are_asked_for():
    cache = Cache()
    for one in ("a b", "c"):
        cache.ask(body(one))
    longer = body(["new one", "c", "a b", "other"])
    assert cache.ask(longer) == json.loads(engine(longer))
    assert cache.asked == ["new one", "other"]


def test_a_longer_list_asks_for_what_was_added():
    cache = Cache()
    cache.ask(body(["a b", "c"]))
    longer = body(["c", "a b", "new one"])
    assert cache.ask(longer) == json.loads(engine(longer))
    assert cache.asked == ["new one"]


def test_part_of_a_list_is_asked_again_where_its_tokens_are_unknown():
    cache = Cache()
    cache.ask(body(["a b", "c", "d"]))
    assert cache.ask(body(["c"])) == json.loads(engine(body("c")))
    assert cache.asked == ["c"]
    assert cache.ask(body("c")) == json.loads(engine(body("c")))
    assert cache.asked == []


def test_an_input_said_twice_counts_twice():
    cache = Cache()
    for request in (body(["a", "a"]), body(["a", "b", "a"]), body(["a", "a", "a"])):
        assert cache.ask(request) == json.loads(engine(request))


def test_lists_of_tokens_tell_the_tokens_of_each():
    cache = Cache()
    cache.ask(body([[1, 2, 3], [4]]))
    assert cache.ask(body([[4], [5, 6]])) == json.loads(engine(body([[4], [5, 6]])))
    assert cache.asked == [[5, 6]]
    assert cache.ask(body([4])) == json.loads(engine(body([4])))
    assert cache.asked == []


def test_random_lists_are_answered_as_the_engine_would():
    random = Random(2)
    cache = Cache()
    words = ["a", "b c", "가 나 다", "d", "", "e " * 5, "f"]
    saved = 0
    for _ in range(300):
        inputs = random.choices(words, k=random.randrange(1, 6))
        request = body(random.choice([inputs, inputs[0]]))
        assert cache.ask(request) == json.loads(engine(request))
        saved += not cache.asked
    assert saved > 150


def test_what_the_engine_recorded_is_taken_apart_and_joined_again():
    for name in ("embeddings_one", "embeddings_list", "embeddings_base64", "embeddings_tokens"):
        recording = load(name)
        request = json.dumps(recording.request).encode()
        singles = embeddings.split(request)
        assert singles is not None
        made = embeddings.parts(request, range(len(singles)), recording.whole.encode())
        assert made is not None
        assert said(read(embeddings.join(made))) == said(read(recording.whole))


def test_a_part_whose_tokens_are_unknown_answers_nothing_alone():
    request = body(["a b", "c"])
    made = embeddings.parts(request, [0, 1], engine(request))
    assert made is not None
    entry = entry_from_whole(PATH, made[0], **META)
    assert entry is not None
    assert entry.prompt_tokens == UNKNOWN
    assert answer_of(entry, stream=False, include_usage=False) is None


def test_a_text_and_a_list_of_one_are_the_same_request():
    assert embeddings.split(body("a")) == embeddings.split(body(["a"]))
    assert embeddings.split(body([1, 2])) == embeddings.split(body([[1, 2]]))
    assert embeddings.split(body("a")) != embeddings.split(body("a", dimensions=3))
    assert embeddings.split(body(["1"])) != embeddings.split(body([[1]]))


@pytest.mark.parametrize(
    "request_body",
    [
        body([]), body(None), body(5), body(["a", 1]), body([["a"], "b"]), body([1.5]), body({"a": 1}), b"{}", b"[]", b"{oops", b"",
        b'{"input":"a","input":["b"]}', b'{"input":"\\ud800"}', b'{"messages":[]}', b"\xff",
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_split_is_left_whole(request_body: bytes):
    singles = embeddings.split(request_body)
    assert singles is None or not all(isinstance(identify(PATH, one, ORIGIN), Identity) for one in singles)


def test_an_answer_that_does_not_fit_the_request_is_not_kept():
    request = body(["a", "b"])
    good = json.loads(engine(request))
    for wrong in (
        {**good, "data": good["data"][:1]},
        {**good, "data": [good["data"][0], good["data"][0]]},
        {**good, "data": []},
        {**good, "data": None},
        {**good, "error": {"message": "x"}},
        {**good, "data": [{"index": 0}, {"index": 1}]},
        [],
    ):
        assert embeddings.parts(request, [0, 1], json.dumps(wrong).encode()) is None
    assert embeddings.parts(request, [0, 1], b"{oops") is None


def test_an_answer_out_of_order_is_put_in_order():
    request = body(["a", "b"])
    answer = json.loads(engine(request))
    answer["data"].reverse()
    made = embeddings.parts(request, [0, 1], json.dumps(answer).encode())
    assert made is not None
    assert [one["embedding"] for one in json.loads(embeddings.join(made))["data"]] == [vector("a"), vector("b")]


def test_numbers_keep_the_form_that_the_engine_wrote():
    answer = b'{"data":[{"index":0,"embedding":[1.10,2e-05,-0.0]}],"usage":{"prompt_tokens":1,"total_tokens":1}}'
    made = embeddings.parts(body("a"), [0], answer)
    assert made is not None
    assert b"[1.10,2e-05,-0.0]" in embeddings.join(made)
