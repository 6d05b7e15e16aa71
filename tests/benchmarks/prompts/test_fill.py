from __future__ import annotations

import asyncio
import random

import pytest

from benchmarks.prompts.fill import AT_ONCE, Words, around, together, user
from tests.benchmarks.prompts.words import WordTokenizer


async def counted(tokenizer: WordTokenizer, language: str = "en") -> Words:
    words = Words(tokenizer, language)
    await words.count()
    return words


async def test_words_are_counted_once():
    tokenizer = WordTokenizer()
    await counted(tokenizer)
    calls = tokenizer.calls
    await counted(tokenizer)
    assert tokenizer.calls == calls


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", [1, 3, 100])
async def test_words_add_up_to_the_budget(language: str, size: int):
    tokenizer, rng = WordTokenizer(size), random.Random(1)
    words = await counted(tokenizer, language)
    for budget in (1, 2, 17, 100):
        text = " ".join(await words.of(budget, words.random(rng), rng))
        assert len(await tokenizer.encode(text)) == budget


async def test_what_surrounds_the_words_is_found():
    tokenizer = WordTokenizer(chat=23)
    words = await counted(tokenizer)
    assert await around(words, lambda text: tokenizer.chat_tokens(user(text))) == 23


async def test_a_text_that_counts_otherwise_than_its_words_is_put_right():
    tokenizer, rng = WordTokenizer(), random.Random(1)
    words = await counted(tokenizer)

    async def surprising(text: str) -> int:
        return len(text.split()) + text.count("e")  # tokens that no word showed

    for target in (5, 50, 200):
        text, real = await words.fit(target, 0, surprising, words.random(rng), rng)
        assert real == await surprising(text)
        assert abs(real - target) <= 3


async def test_a_tokenizer_without_the_length_gives_the_nearest_and_says_it():
    tokenizer, rng = WordTokenizer(), random.Random(1)
    words = await counted(tokenizer)

    async def even(text: str) -> int:
        return 2 * len(text.split())

    text, real = await words.fit(51, 0, even, words.random(rng), rng)
    assert real == await even(text)
    assert abs(real - 51) == 1


async def test_prose_is_the_language_and_begins_each_time_otherwise():
    words = await counted(WordTokenizer(), "ko")
    beginnings = {" ".join(next(source) for _ in range(8)) for source in (words.prose(random.Random(seed)) for seed in range(50))}
    assert len(beginnings) == 50
    source = words.prose(random.Random(1))
    text = " ".join(next(source) for _ in range(100))
    assert sum("가" <= letter <= "힣" for letter in text) > 200


async def test_work_comes_back_in_order_and_never_too_much_at_once():
    open_now = most = 0

    async def one(place: int) -> int:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0)
        open_now -= 1
        return place

    assert await together(one(place) for place in range(100)) == list(range(100))
    assert most == AT_ONCE


async def test_the_first_error_is_raised_as_it_is():
    async def fails(place: int) -> int:
        raise KeyError(place)

    with pytest.raises(KeyError):
        await together(fails(place) for place in range(40))
