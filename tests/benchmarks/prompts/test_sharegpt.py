from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.sharegpt import entries, sample, sharegpt
from benchmarks.prompts.synthetic import Prompt
from tests.benchmarks.prompts.words import WordTokenizer


def talk(question: str, answer: str, person: str = "human", model: str = "gpt") -> dict[str, Any]:
    return {"id": "x", "conversations": [{"from": person, "value": question}, {"from": model, "value": answer}]}


def good(number: int) -> dict[str, Any]:
    return talk(f"question {number} of some length", f"answer {number} of five words")


def written(folder: Path, data: Any) -> Path:
    file = folder / "share.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return file


async def read(file: Path, count: int = 10, notes: list[str] | None = None, seed: int = 1, **more: Any) -> list[Prompt]:
    options = PromptOptions(dataset="sharegpt", file=file, **more)
    return await sharegpt(options, WordTokenizer(), count, seed, [] if notes is None else notes)


async def test_the_first_question_is_asked_and_the_answer_gives_the_limit(tmp_path: Path):
    prompt, *_ = await read(written(tmp_path, [good(7)]))
    assert prompt.content == [{"role": "user", "content": "question 7 of some length"}]
    assert (prompt.input_tokens, prompt.output_tokens) == (5 + 4, 5)


async def test_a_completion_gets_the_text(tmp_path: Path):
    prompt, *_ = await read(written(tmp_path, [good(7)]), endpoint="completions")
    assert (prompt.content, prompt.input_tokens) == ("question 7 of some length", 6)


async def test_a_given_output_length_goes_before_the_answers(tmp_path: Path):
    prompt, *_ = await read(written(tmp_path, [talk("a question of length", "no")]), output_tokens=64)
    assert prompt.output_tokens == 64


async def test_a_system_turn_before_the_question_is_passed_over(tmp_path: Path):
    entry = good(1)
    entry["conversations"].insert(0, {"from": "system", "value": "Be short."})
    prompt, *_ = await read(written(tmp_path, [entry]))
    assert prompt.content[0]["content"] == "question 1 of some length"


async def test_the_names_of_newer_files_are_known(tmp_path: Path):
    turns = [{"role": "user", "content": "a question of length"}, {"role": "assistant", "content": "an answer of length"}]
    assert len(await read(written(tmp_path, [{"conversations": turns}]))) == 1


async def test_what_cannot_be_asked_is_told_with_its_number(tmp_path: Path):
    bad = [{}, [], "text", {"conversations": [{"from": "human", "value": "alone"}]}, talk("a question", 5), talk(" ", "an answer")]
    notes: list[str] = []
    found = await read(written(tmp_path, [good(1), *bad, good(2)]), notes=notes)
    assert len(found) == 2
    assert notes == [f"{tmp_path / 'share.json'}: entries left out: 6 without a question and its answer (entries 2, 3, 4, 5, 6 ...)"]


async def test_too_short_and_too_long_entries_are_left_out_as_vllm_does(tmp_path: Path):
    long, longer = "w " * 1021, "w " * 2041
    data = [talk("some words of length", "too short"), talk(long, "an answer of length"), talk("a question of length", longer), good(1)]
    notes: list[str] = []
    assert len(await read(written(tmp_path, data), notes=notes)) == 1
    assert "1 shorter than 4 tokens (entry 1)" in notes[0]
    assert "1 with a prompt longer than 1024 tokens (entry 2)" in notes[0]
    assert "1 longer than 2048 tokens with the answer (entry 3)" in notes[0]


async def test_a_model_with_less_context_leaves_more_out(tmp_path: Path):
    with pytest.raises(BenchUsageError, match=r"no entry that can be asked: 1 longer than 12 tokens with the answer \(entry 1\)"):
        await read(written(tmp_path, [good(1)]), max_model_len=12)


async def test_only_as_many_as_wanted_in_the_files_order(tmp_path: Path):
    found = await read(written(tmp_path, [good(n) for n in range(200)]), count=70)
    assert [prompt.content[0]["content"].split()[1] for prompt in found] == [str(n) for n in range(70)]


async def test_shuffled_another_seed_takes_others(tmp_path: Path):
    file = written(tmp_path, [good(n) for n in range(200)])
    one, again, other = [await read(file, count=10, seed=seed, shuffle=True) for seed in (1, 1, 2)]
    assert one == again
    assert one != other
    assert len({prompt.content[0]["content"] for prompt in one}) == 10


def test_a_sample_takes_every_entry_as_often():
    taken = [number for seed in range(2000) for number in sample(iter(range(10)), 3, random.Random(seed))]
    assert all(500 < taken.count(number) < 700 for number in range(10))


def test_a_list_is_read_in_pieces_of_any_size(tmp_path: Path):
    data = [good(n) | {"more": ["가나다", {"]": "["}, 1.5, None]} for n in range(5)]
    file = written(tmp_path, "\n " + json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    for size in (1, 2, 7, 10000):
        assert list(entries(file, piece=size)) == data


def test_a_long_file_is_not_read_beyond_what_is_wanted(tmp_path: Path):
    file = written(tmp_path, json.dumps([good(n) for n in range(3)])[:-1] + ', {"broken')
    read = entries(file)
    assert [next(read) for _ in range(3)] == [good(n) for n in range(3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"a": 1}, {"b": ', "entry 2 is broken JSON"),
        ("[{}, nonsense]", "entry 2 is broken JSON"),
        ("[", "entry 1 is broken JSON"),
        ("", "does not begin with '\\['"),
        ('{"prompt": "x"}', "for a line each write --dataset jsonl"),
        ("[]", "no entry that can be asked"),
    ],
)
async def test_a_broken_file_is_told(tmp_path: Path, text: str, words: str):
    with pytest.raises(BenchUsageError, match=words):
        await read(written(tmp_path, text))


async def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"[\xff\xfe]")
    with pytest.raises(BenchUsageError, match="not UTF-8"):
        await read(tmp_path / "x")
    with pytest.raises(BenchUsageError, match="No such file"):
        await read(tmp_path / "y")
    with pytest.raises(BenchUsageError, match="Is a directory"):
        await read(tmp_path)
