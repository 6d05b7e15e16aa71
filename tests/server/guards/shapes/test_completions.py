"""/v1/completions: each choice of each prompt on its own."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from server.guards.shapes import Unreadable, whole
from tests.server.guards.shapes.scripted import assembled, events_of, numbers, pieces, plain, screened, sentences, sse

PATH = "/v1/completions"
WORDS = ["The ", "code 12", "345", " is", " ", "BO", "MB", "7", "가나 ", "010-", "1234", "😀", ". ", "bad", "BOMB "]


@pytest.mark.parametrize("open_", [numbers, sentences])
async def test_a_stream_says_what_the_whole_answer_says(open_: Any):
    for seed in range(300):
        random = Random(seed)
        texts = ["".join(random.choices(WORDS, k=random.randint(0, 8))) for _ in range(random.choice((1, 2, 4)))]
        queues = [[*pieces(text, random), None] for text in texts]
        chunks: list[Any] = []
        while any(queues):
            index = random.choice([index for index, queue in enumerate(queues) if queue])
            piece = queues[index].pop(0)
            reason = None if piece is not None else "length"
            chunks.append({"choices": [{"index": index, "text": piece or "", "logprobs": None, "finish_reason": reason}]})
        got = await screened(PATH, sse(*chunks), open_, random, choices=len(texts))
        choices = [{"index": n, "text": text, "logprobs": None, "finish_reason": "length"} for n, text in enumerate(texts)]
        expected = json.loads(await whole(PATH, json.dumps({"choices": choices}).encode(), open_))["choices"]
        found = assembled(got)
        assert [plain(found[index]) for index in sorted(found)] == [plain(choice) for choice in expected], seed
        assert events_of(got)[-1] == "[DONE]"


async def test_a_block_keeps_the_text_before_it_and_no_stop_reason():
    choice = {"index": 0, "text": "Make a BOMB now", "logprobs": None, "finish_reason": "stop", "stop_reason": "now"}
    answer = json.loads(await whole(PATH, json.dumps({"choices": [choice]}).encode(), numbers))
    assert answer["choices"] == [{**choice, "text": "Make a ", "finish_reason": "content_filter", "stop_reason": None}]


async def test_two_choices_in_one_chunk_are_told_apart():
    chunk = {"choices": [{"index": 0, "text": "a 12", "finish_reason": None}, {"index": 1, "text": "clean", "finish_reason": None}]}
    end = {"choices": [{"index": 0, "text": "3", "finish_reason": "stop"}, {"index": 1, "text": " text", "finish_reason": "stop"}]}
    found = assembled(await screened(PATH, sse(chunk, end), numbers, choices=2))
    assert [found[index]["text"] for index in (0, 1)] == ["a [N]", "clean text"]


@pytest.mark.parametrize(
    "choice",
    [
        {"text": 7},
        {"text": "a", "logprobs": 7},
        {"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": []}},
        {"text": "a", "logprobs": {"tokens": [7]}},
        {"text": "a", "logprobs": {"token_logprobs": [1]}},
    ],
)
async def test_a_choice_of_another_form_is_refused(choice: Any):
    with pytest.raises(Unreadable):
        await whole(PATH, json.dumps({"choices": [{"index": 0, "finish_reason": "stop", **choice}]}).encode(), numbers)
