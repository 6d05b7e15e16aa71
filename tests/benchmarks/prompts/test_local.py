from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.local import LocalTokenizer

pytest.importorskip("tokenizers")
DEMO = Path(__file__).parents[3] / "models" / "demo"


async def test_a_text_comes_back():
    tokenizer = LocalTokenizer(DEMO)
    assert await tokenizer.decode(await tokenizer.encode("Hello, 안녕하세요!")) == "Hello, 안녕하세요!"


async def test_the_vocabulary_leaves_special_tokens_out():
    import json

    added = {entry["id"] for entry in json.loads((DEMO / "tokenizer.json").read_text())["added_tokens"]}
    vocabulary = set(await LocalTokenizer(DEMO).vocabulary())
    assert added
    assert vocabulary.isdisjoint(added)
    assert len(vocabulary) + len(added) == 2048


async def test_a_chat_counts_as_transformers_counts_it():
    transformers = pytest.importorskip("transformers")
    messages = [{"role": "system", "content": "짧게 답하세요."}, {"role": "user", "content": "What is the capital of Korea?"}]
    theirs = transformers.AutoTokenizer.from_pretrained(DEMO).apply_chat_template(messages, add_generation_prompt=True)
    assert await LocalTokenizer(DEMO).chat_tokens(messages) == len(theirs["input_ids"])


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path):
    with pytest.raises(BenchUsageError, match=r"no tokenizer.json in it; name the folder of the model"):
        LocalTokenizer(tmp_path)


def test_a_broken_tokenizer_is_told(tmp_path: Path):
    (tmp_path / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(BenchUsageError, match="no tokenizer that can be read"):
        LocalTokenizer(tmp_path)


async def test_a_folder_without_a_template_counts_texts_and_tells_of_chats(tmp_path: Path):
    (tmp_path / "tokenizer.json").write_bytes((DEMO / "tokenizer.json").read_bytes())
    tokenizer = LocalTokenizer(tmp_path)
    assert await tokenizer.prompt_tokens("hello") > 0
    with pytest.raises(BenchUsageError, match=r"no chat template.*--endpoint completions"):
        await tokenizer.chat_tokens([{"role": "user", "content": "hello"}])
