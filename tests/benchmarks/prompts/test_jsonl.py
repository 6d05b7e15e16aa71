from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.jsonl import jsonl
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.synthetic import Prompt
from tests.benchmarks.prompts.words import WordTokenizer

CHAT = {"messages": [{"role": "user", "content": "two words"}]}


def written(folder: Path, *lines: Any) -> Path:
    file = folder / "own.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    return file


async def read(file: Path, count: int = 10, notes: list[str] | None = None, **more: Any) -> list[Prompt]:
    options = PromptOptions(dataset="jsonl", file=file, **more)
    return await jsonl(options, WordTokenizer(), count, 1, [] if notes is None else notes)


async def test_a_prompt_is_asked_as_a_chat(tmp_path: Path):
    (prompt,) = await read(written(tmp_path, {"prompt": "two words"}))
    assert (prompt.content, prompt.input_tokens, prompt.output_tokens) == (CHAT["messages"], 6, 128)


async def test_messages_go_as_they_are(tmp_path: Path):
    messages = [{"role": "system", "content": "short"}, {"role": "user", "content": "two words"}]
    (prompt,) = await read(written(tmp_path, {"messages": messages, "id": 3}))
    assert (prompt.content, prompt.extra) == (messages, {})


async def test_a_completion_takes_texts_and_token_ids(tmp_path: Path):
    text, ids = await read(written(tmp_path, {"prompt": "two words"}, {"prompt": [5, 6, 7]}), endpoint="completions")
    assert (text.content, text.input_tokens) == ("two words", 3)
    assert (ids.content, ids.input_tokens) == ([5, 6, 7], 3)


@pytest.mark.parametrize("key", ["output_tokens", "max_tokens", "max_completion_tokens"])
async def test_a_line_may_say_its_output_length(tmp_path: Path, key: str):
    (prompt,) = await read(written(tmp_path, {"prompt": "x", key: 9}))
    assert prompt.output_tokens == 9
    (prompt,) = await read(written(tmp_path, {"prompt": "x", key: 9}), output_tokens=5)
    assert prompt.output_tokens == 5


async def test_a_batch_line_brings_its_fields_along(tmp_path: Path):
    body = {"model": "other", "temperature": 0.7, "max_tokens": 3, "stream": False, **CHAT}
    (prompt,) = await read(written(tmp_path, {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}))
    assert (prompt.content, prompt.output_tokens, prompt.extra) == (CHAT["messages"], 3, {"temperature": 0.7})


async def test_empty_lines_are_passed_over_and_order_is_kept(tmp_path: Path):
    found = await read(written(tmp_path, {"prompt": "a"}, "", "  ", {"prompt": "b"}, {"prompt": "c"}), count=2)
    assert [prompt.content[0]["content"] for prompt in found] == ["a", "b"]


async def test_lines_beyond_what_is_wanted_are_not_looked_at(tmp_path: Path):
    assert len(await read(written(tmp_path, CHAT, CHAT, "broken"), count=2)) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "neither prompt nor messages"),
        ({"prompt": "x", **CHAT}, "both prompt and messages"),
        ({"prompt": ""}, "its prompt is no text"),
        ({"prompt": 5}, "its prompt is no text"),
        ({"prompt": [1, -1]}, "its prompt is no text"),
        ({"prompt": [1, True]}, "its prompt is no text"),
        ({"prompt": [1, 2]}, "token ids, which a chat cannot take: choose --endpoint completions"),
        ({"messages": []}, "no list of messages"),
        ({"messages": [{"content": "x"}]}, "no role or no content"),
        ({"prompt": "x", "max_tokens": 0}, "no whole number"),
        ({"prompt": "x", "output_tokens": "9"}, "no whole number"),
        ({"prompt": "x", "output_tokens": True}, "no whole number"),
        ('{"prompt": "\\ud800"}', "surrogates not allowed"),
        ({"url": "/v1/embeddings", "body": {"input": "x"}}, "its url is /v1/embeddings"),
        ({"body": {"input": "x"}}, "neither prompt nor messages"),
    ],
)
async def test_a_line_that_cannot_be_asked_is_named(tmp_path: Path, line: Any, words: str):
    file = written(tmp_path, CHAT, line)
    with pytest.raises(BenchUsageError) as caught:
        await read(file)
    assert caught.value.message.startswith(f"--file {file}, line 2: ")
    assert words in caught.value.message
    assert 'write {"prompt": "Hello"} or' in caught.value.message


async def test_messages_have_no_place_in_completions(tmp_path: Path):
    with pytest.raises(BenchUsageError, match=r"line 1: it has messages.*choose --endpoint chat"):
        await read(written(tmp_path, CHAT), endpoint="completions")


async def test_too_long_prompts_are_left_out_and_told(tmp_path: Path):
    notes: list[str] = []
    file = written(tmp_path, CHAT, {"prompt": "w " * 100})
    assert len(await read(file, notes=notes, output_tokens=4, max_model_len=50)) == 1
    assert notes == [f"{file}: 1 left out that are longer than 50 tokens with the answer (line 2)"]
    with pytest.raises(BenchUsageError, match="every prompt is longer than the model's 5 tokens"):
        await read(file, output_tokens=4, max_model_len=5)


@pytest.mark.parametrize("text", ["", "\n\n"])
async def test_an_empty_file_is_told(tmp_path: Path, text: str):
    (tmp_path / "x").write_text(text)
    with pytest.raises(BenchUsageError, match="has no line: write one a request"):
        await read(tmp_path / "x")


async def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path: Path):
    (tmp_path / "x").write_bytes(b'{"prompt": "\xff"}')
    with pytest.raises(BenchUsageError, match="not UTF-8"):
        await read(tmp_path / "x")
    with pytest.raises(BenchUsageError, match="No such file"):
        await read(tmp_path / "y")
