from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.target import Target
from benchmarks.prompts.local import LocalTokenizer
from benchmarks.prompts.tokenizer import find
from tests.benchmarks.prompts.servers import served

NOBODY = Target(host="127.0.0.1", port=1)


async def test_a_folder_goes_before_the_server():
    pytest.importorskip("tokenizers")
    folder = Path(__file__).parents[3] / "models" / "demo"
    assert isinstance(await find(NOBODY, "demo", folder), LocalTokenizer)


async def test_without_a_folder_the_server_is_asked():
    async with served() as (_, target):
        assert (await find(target, "m", None)).name == "server /tokenize"


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
async def test_a_server_without_a_tokenizer_names_the_flag(path: str):
    async with served() as (subject, target):
        subject.answers[path] = (404, {"error": {"message": "no such path"}})
        with pytest.raises(BenchUsageError, match=rf"has no {path} \(status 404: no such path\).*--tokenizer FOLDER"):
            await find(target, "m", None)


async def test_the_servers_ids_and_counts_are_what_it_says():
    async with served() as (subject, target):
        tokenizer = await find(target, "m", None)
        assert await tokenizer.encode("ab c") == [195, 99]
        assert await tokenizer.decode([7, 8]) == "w7 w8"
        assert await tokenizer.prompt_tokens("ab c") == 3
        assert await tokenizer.chat_tokens([{"role": "user", "content": "ab c"}]) == 6
        assert {body["model"] for _, body in subject.asked} == {"m"}


async def test_the_servers_vocabulary_is_asked_once():
    async with served() as (subject, target):
        tokenizer = await find(target, "m", None)
        first = await tokenizer.vocabulary()
        asked = len(subject.asked)
        assert await tokenizer.vocabulary() == first
        assert len(subject.asked) == asked
        assert len(first) > 100


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b"oops"), "status 500"),
        ((200, b"{"), "without 'tokens'"),
        ((200, {"count": 1}), "without 'tokens'"),
        ((200, [1]), "without 'tokens'"),
    ],
)
async def test_a_server_that_stops_answering_is_told(answer: tuple[int, object], words: str):
    async with served() as (subject, target):
        tokenizer = await find(target, "m", None)
        subject.answers["/tokenize"] = answer
        with pytest.raises(BenchError, match=words):
            await tokenizer.encode("a")
