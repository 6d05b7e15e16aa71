"""What is asked of the served model and how its answers are read, over real HTTP; the real engine is in tests/e2e."""

import asyncio

import pytest

from quantize.errors import EvaluationError
from quantize.evaluation.client import Client, Events, gather
from quantize.evaluation.texts import Question, Text
from tests.scripted import SSE_HEAD, Scripted, json_answer

CHAT = Text(messages=({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}))


def listed(**logprobs):
    return {key.lstrip("t"): {"logprob": value, "rank": 1, "decoded_token": "?"} for key, value in logprobs.items()}


async def test_a_chat_is_tokenized_through_the_chat_template():
    async with Scripted(json_answer({"tokens": [1, 2], "max_model_len": 64, "count": 2})) as engine:
        async with Client(engine.url, "m", True, "m") as client:
            assert await client.tokenize(CHAT) == ([1, 2], 64)
        assert engine.requests[0].path == "/tokenize"
        assert engine.requests[0].json == {"model": "m", "messages": list(CHAT.messages), "add_generation_prompt": False}


async def test_a_chat_is_plain_text_for_a_model_without_a_template():
    async with Scripted(json_answer({"tokens": [1], "max_model_len": 64})) as engine:
        async with Client(engine.url, "m", False, "m") as client:
            await client.tokenize(CHAT)
        assert engine.requests[0].json == {"model": "m", "prompt": "Hi\nHello."}


async def test_logprobs_are_of_every_token_but_the_first_and_sorted():
    said = [None, listed(t7=-3.0, t5=-0.1, t6=-2.0), listed(t8=-0.2, t5=-1.0)]
    async with Scripted(json_answer({"choices": [{"text": "", "prompt_logprobs": said}]})) as engine:
        async with Client(engine.url, "m", True, "m") as client:
            first, second = await client.logprobs([3, 7, 8], 2)
        assert engine.requests[0].json["prompt"] == [3, 7, 8]
        assert engine.requests[0].json["prompt_logprobs"] == 2
    assert first.actual == -3.0
    assert list(first.ids) == [5, 6, 7]
    assert list(first.logprobs) == pytest.approx([-0.1, -2.0, -3.0])
    assert (second.actual, list(second.ids)) == (-0.2, [8, 5])


async def test_an_answer_is_greedy():
    async with Scripted() as engine:
        async with Client(engine.url, "m", True, "m") as client:
            assert await client.answer(Question("Hi?", "Hello"), 9) == "Hello"
        assert engine.requests[0].path == "/v1/chat/completions"
        assert engine.requests[0].json["temperature"] == 0
        assert engine.requests[0].json["max_tokens"] == 9


async def test_what_the_engine_refuses_is_one_sentence_with_its_words():
    async with Scripted(json_answer({"error": {"message": "too long", "type": "x"}}, 400)) as engine:
        async with Client(engine.url, "m", True, "small") as client:
            with pytest.raises(EvaluationError, match=r"^small: the engine answered 400: too long$"):
                await client.answer(Question("Hi?", "Hello"), 9)


async def test_an_engine_that_goes_away_is_one_sentence():
    async with Scripted() as engine:
        url = engine.url
    async with Client(url, "m", True, "small") as client:
        with pytest.raises(EvaluationError, match=r"^small: the engine went away while it was measured"):
            await client.answer(Question("Hi?", "Hello"), 9)


async def test_a_broken_models_nan_is_one_sentence():
    async def script(request, reply):
        await reply.json(b'{"choices": [{"prompt_logprobs": [null, {"7": {"logprob": NaN}}]}]}')

    async with Scripted(script) as engine:
        async with Client(engine.url, "m", True, "small") as client:
            with pytest.raises(EvaluationError, match="small: the engine's answer cannot be read"):
                await client.logprobs([3, 7], 2)


def stream(*events, end=b""):
    async def script(request, reply):
        await reply.raw(SSE_HEAD)
        for event in events:
            await reply.chunk(event)
            await asyncio.sleep(0.01)
        await reply.chunk(end)

    return script


EVENT = b'data: {"id":"c","choices":[{"index":0,"text":"a","finish_reason":null}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'


async def test_a_stream_is_timed_from_its_sending_to_its_first_and_last_token():
    async with Scripted(stream(EVENT, EVENT, USAGE, b"data: [DONE]\n\n")) as engine:
        async with Client(engine.url, "m", True, "m") as client:
            timing = await client.stream([1, 2, 3], 2, "salt", 0.0)
        assert engine.requests[0].json["ignore_eos"] is True
        assert engine.requests[0].json["cache_salt"] == "salt"
    assert timing.tokens == 2
    assert timing.sent < timing.first < timing.last


async def test_a_stream_that_breaks_off_is_an_error():
    async with Scripted(stream(EVENT)) as engine:
        async with Client(engine.url, "m", True, "small") as client:
            with pytest.raises(EvaluationError, match="small: a stream ended before its last token"):
                await client.stream([1, 2, 3], 2, "salt", 0.0)


def test_events_are_told_when_they_are_whole():
    events = Events()
    assert not events.feed(EVENT[:30])
    assert events.feed(EVENT[30:] + EVENT[:5])
    assert events.feed(EVENT[5:] + USAGE)
    assert not events.feed(USAGE)
    assert events.tokens == 2


async def test_calls_run_so_many_at_a_time_and_keep_their_order():
    running = most = 0

    async def call(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (5 - number))
        running -= 1
        return number

    done = []
    results = await gather([lambda n=n: call(n) for n in range(5)], 2, done.append)
    assert (results, most, done) == ([0, 1, 2, 3, 4], 2, [1, 2, 3, 4, 5])


async def test_the_first_error_ends_all_calls():
    ended = []

    async def fail():
        raise EvaluationError("no")

    async def wait():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    with pytest.raises(EvaluationError):
        await gather([wait, fail, wait], 2)
    assert ended
