from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.options import PromptOptions
from benchmarks.prompts.synthetic import Prompt, synthetic
from tests.benchmarks.prompts.words import WordTokenizer

IDS = PromptOptions(endpoint="completions", input_tokens=20, output_tokens=8)
CHAT = PromptOptions(input_tokens=20, output_tokens=8)


async def made(options: PromptOptions, count: int = 12, seed: int = 1, tokenizer: WordTokenizer | None = None) -> list[Prompt]:
    return await synthetic(options, tokenizer or WordTokenizer(), count, seed, [])


async def test_token_ids_are_of_the_vocabulary_and_exactly_as_many():
    for prompt in await made(IDS):
        assert len(prompt.content) == prompt.input_tokens == 20
        assert set(prompt.content) <= set(range(10, 1000))


@pytest.mark.parametrize("dataset", ["random", "text"])
@pytest.mark.parametrize("language", ["ko", "en"])
async def test_a_chat_has_the_length_with_its_template(dataset: str, language: str):
    tokenizer = WordTokenizer(size=2)
    for prompt in await made(replace(CHAT, dataset=dataset, language=language), tokenizer=tokenizer):
        assert await tokenizer.chat_tokens(prompt.content) == prompt.input_tokens == 20


async def test_a_prompt_as_text_counts_what_the_engine_puts_before_it():
    tokenizer = WordTokenizer()
    for prompt in await made(replace(IDS, token_ids=False), tokenizer=tokenizer):
        assert await tokenizer.prompt_tokens(prompt.content) == prompt.input_tokens == 20


@pytest.mark.parametrize("options", [IDS, CHAT, replace(CHAT, dataset="text")])
async def test_the_seed_decides_the_prompts(options: PromptOptions):
    assert await made(options, seed=1) == await made(options, seed=1)
    assert await made(options, seed=1) != await made(options, seed=2)


@pytest.mark.parametrize("options", [IDS, CHAT, replace(CHAT, dataset="text")])
async def test_no_two_prompts_begin_alike(options: PromptOptions):
    def beginning(prompt: Prompt) -> str:
        return str(prompt.content[:5]) if isinstance(prompt.content[0], int) else prompt.content[0]["content"][:15]

    prompts = await made(options, count=200)
    assert len({beginning(prompt) for prompt in prompts}) == 200


@pytest.mark.parametrize("options", [IDS, CHAT])
async def test_prompts_of_a_group_share_their_prefix_and_nothing_else(options: PromptOptions):
    prompts = await made(replace(options, prefix_tokens=10, prefix_groups=3), count=30)

    def words(prompt: Prompt) -> list[int | str]:
        return prompt.content if isinstance(prompt.content[0], int) else prompt.content[0]["content"].split()

    assert Counter(prompt.group for prompt in prompts) == {"prefix 1": 10, "prefix 2": 10, "prefix 3": 10}
    prefixes = {(prompt.group, tuple(words(prompt)[:10])) for prompt in prompts}
    assert len(prefixes) == 3
    assert len({tuple(words(prompt)[10:]) for prompt in prompts}) == 30
    assert {prompt.input_tokens for prompt in prompts} == {30}


async def test_a_prefix_does_not_depend_on_how_many_requests_there_are():
    options = replace(IDS, prefix_tokens=10)
    few, many = await made(options, count=2), await made(options, count=20)
    assert few[0].content[:10] == many[0].content[:10]


async def test_lengths_vary_as_asked():
    prompts = await made(replace(IDS, input_range=0.5, output_range=0.5), count=200)
    assert {prompt.input_tokens for prompt in prompts} == set(range(10, 31))
    assert {prompt.output_tokens for prompt in prompts} == set(range(4, 13))


async def test_an_input_shorter_than_the_template_names_the_smallest():
    with pytest.raises(BenchUsageError, match=r"--input-tokens 30 is too short: the chat template alone takes 30; write 31 or more"):
        await made(replace(CHAT, input_tokens=30), tokenizer=WordTokenizer(chat=30))
    assert {p.input_tokens for p in await made(replace(CHAT, input_tokens=31), tokenizer=WordTokenizer(chat=30))} == {31}


async def test_lengths_that_cannot_be_made_are_noted_and_counted_as_they_are():
    class Even(WordTokenizer):
        async def chat_tokens(self, messages):
            return 2 * await super().chat_tokens(messages)

    notes: list[str] = []
    tokenizer = Even()
    prompts = await synthetic(replace(CHAT, input_tokens=51), tokenizer, 4, 1, notes)
    assert notes == ["4 of 4 prompts are not of the exact length: no text of it was found; their real length is counted"]
    assert [prompt.input_tokens for prompt in prompts] == [await tokenizer.chat_tokens(prompt.content) for prompt in prompts]


@pytest.mark.parametrize("language", ["ko", "en"])
async def test_the_demo_models_chats_are_exact(language: str):
    pytest.importorskip("tokenizers")
    from benchmarks.prompts.local import LocalTokenizer

    notes: list[str] = []
    tokenizer = LocalTokenizer(Path(__file__).parents[3] / "models" / "demo")
    for dataset in ("random", "text"):
        await synthetic(replace(CHAT, dataset=dataset, language=language, input_tokens=100), tokenizer, 100, 3, notes)
    assert notes == []
