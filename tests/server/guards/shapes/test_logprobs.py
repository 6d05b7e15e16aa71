"""Logprobs tell what the text tells: entries go out with their text, and those of what was cut do not."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from server.guards.shapes import Screen, whole
from tests.server.cache.shapes.recordings import load
from tests.server.guards.shapes.scripted import assembled, events_of, numbers, pieces, plain, screened, sentences, sse

CHAT, TEXT, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
TOKENS = ["The", " code", " 12", "3", "45", " is", " ", "BO", "MB", "7", "가", "나 ", "010", "-12", "34", "😀", ".", " bad", "12 345 6"]


def entry(token: str) -> dict[str, Any]:
    other = {"token": "x", "logprob": -2.0, "bytes": [120]}
    return {"token": token, "logprob": -0.5, "bytes": list(token.encode()), "top_logprobs": [other]}


def tokens(random: Random, blocks: bool) -> list[str]:
    found = random.choices(TOKENS, k=random.randint(1, 14))
    return found if blocks else [token for token in found if token not in ("BO", "MB", " bad")]


def grouped(found: list[str], random: Random) -> list[list[str]]:
    """Tokens as several come in one step."""
    return [list(group) for group in (pieces(found, random, 3))]  # type: ignore[arg-type]


def legacy(found: list[str], start: int) -> dict[str, Any]:
    offsets = [start + sum(map(len, found[:number])) for number in range(len(found))]
    top = [{token: -0.5, "x": -2.0} for token in found]
    return {"tokens": found, "token_logprobs": [-0.5] * len(found), "top_logprobs": top, "text_offset": offsets}


@pytest.mark.parametrize("open_", [numbers, sentences])
@pytest.mark.parametrize("blocks", [False, True])
async def test_chat_logprobs_are_the_same_in_both_shapes(open_: Any, blocks: bool):
    for seed in range(300):
        random = Random(seed)
        found = tokens(random, blocks)
        groups = grouped(found, random)
        chunks: list[Any] = [{"index": 0, "delta": {"content": "".join(g)}, "logprobs": {"content": [entry(t) for t in g]}} for g in groups]
        chunks.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
        got = assembled(await screened(CHAT, sse(*({"choices": [chunk]} for chunk in chunks)), open_, random))[0]
        message = {"role": "assistant", "content": "".join(found)}
        logs = {"content": [entry(token) for token in found]}
        body = json.dumps({"choices": [{"index": 0, "message": message, "logprobs": logs, "finish_reason": "stop"}]}).encode()
        (expected,) = json.loads(await whole(CHAT, body, open_))["choices"]
        expected["message"].pop("role")
        assert plain(got) == plain(expected), seed
        kept = [one["token"] for one in (expected["logprobs"] or {}).get("content", [])]
        shown = expected["message"]["content"] or ""
        if open_ is numbers:
            assert all(token in shown for token in kept)
        else:
            assert "".join(kept) == shown


@pytest.mark.parametrize("open_", [numbers, sentences])
@pytest.mark.parametrize("blocks", [False, True])
async def test_completions_logprobs_are_the_same_in_both_shapes(open_: Any, blocks: bool):
    for seed in range(300):
        random = Random(seed)
        found = tokens(random, blocks)
        groups = grouped(found, random)
        chunks: list[Any] = []
        start = 0
        for group in groups:
            chunks.append({"index": 0, "text": "".join(group), "logprobs": legacy(group, start), "finish_reason": None})
            start += len("".join(group))
        chunks.append({"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"})
        got = assembled(await screened(TEXT, sse(*({"choices": [chunk]} for chunk in chunks)), open_, random))[0]
        text = "".join(found)
        body = json.dumps({"choices": [{"index": 0, "text": text, "logprobs": legacy(found, 0), "finish_reason": "stop"}]}).encode()
        (expected,) = json.loads(await whole(TEXT, body, open_))["choices"]
        assert plain(got) == plain(expected), seed
        for token, offset in zip(expected["logprobs"]["tokens"], expected["logprobs"]["text_offset"], strict=True):
            assert expected["text"].startswith(token, offset), seed


async def test_responses_logprobs_are_the_same_in_both_shapes():
    for seed in range(100):
        random = Random(seed)
        found = tokens(random, False)
        place = {"item_id": "m", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "".join(found), "annotations": [], "logprobs": [entry(token) for token in found]}
        item = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        answer = {"id": "r", "status": "completed", "output": [item]}
        events = [
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
            {"type": "response.content_part.added", **place, "part": {**part, "text": "", "logprobs": []}},
            *(
                {"type": "response.output_text.delta", **place, "delta": "".join(group), "logprobs": [entry(token) for token in group]}
                for group in grouped(found, random)
            ),
            {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": answer},
        ]
        got = events_of(await screened(RESPONSES, sse(*events, done=False), numbers, random))
        expected = json.loads(await whole(RESPONSES, json.dumps(answer).encode(), numbers))
        logs = expected["output"][0]["content"][0]["logprobs"]
        assert got[-1]["response"] == expected
        assert [one for event in got if event["type"].endswith("text.delta") for one in event["logprobs"]] == logs


async def test_a_cut_token_and_those_beside_it():
    found = ["tel ", "01", "234", "5 ", "ok"]
    message = {"role": "assistant", "content": "".join(found)}
    logs = {"content": [entry(token) for token in found], "refusal": None}
    body = json.dumps({"choices": [{"index": 0, "message": message, "logprobs": logs, "finish_reason": "stop"}]}).encode()
    (choice,) = json.loads(await whole(CHAT, body, numbers))["choices"]
    assert choice["message"]["content"] == "tel [N] ok"
    assert [one["token"] for one in choice["logprobs"]["content"]] == ["tel ", "ok"]
    assert choice["logprobs"]["refusal"] is None


@pytest.mark.parametrize(
    ("found", "content", "kept"),
    [
        (["Hi", "<|im_end|>"], "Hi", ["Hi", "<|im_end|>"]),  # the mark of the end tells nothing
        (["Hi", " Par"], "Hi ", ["Hi"]),  # cut off by a stop text
        (["<think>", "so", "</think>", "Hi"], "Hi", ["<think>", "</think>", "Hi"]),  # thoughts that are not shown
        (["", "", "한", "국"], "한국", ["", "", "한", "국"]),  # vLLM: a character of three tokens, told with the last
        (["\ufffd", "\ufffd", "국", " 1"], "한국 1", ["\ufffd", "\ufffd", "국", " 1"]),  # older: told with none
        ([" \ufffd", "\ufffd", "국"], " 한국", [" \ufffd", "\ufffd", "국"]),
        (["\ufffd", "secret"], "한국", ["\ufffd"]),
        (["token_id:5", "token_id:6"], "Hi", []),  # return_tokens_as_token_ids
        (["", "1", "", "234", "x"], "1234x", ["x"]),  # bytes share the fate of their character
    ],
)
async def test_tokens_that_are_no_part_of_the_text(found: list[str], content: str, kept: list[str]):
    message = {"role": "assistant", "content": content}
    logs = {"content": [entry(token) for token in found]}
    body = json.dumps({"choices": [{"index": 0, "message": message, "logprobs": logs, "finish_reason": "stop"}]}).encode()
    (choice,) = json.loads(await whole(CHAT, body, numbers))["choices"]
    assert [one["token"] for one in choice["logprobs"]["content"]] == kept
    chunks: list[Any] = [{"index": 0, "delta": {}, "logprobs": {"content": [entry(token)]}, "finish_reason": None} for token in found]
    chunks += [{"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None} for piece in content]
    chunks.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
    for order in (chunks, [*chunks[len(found) :][:-1], *chunks[: len(found)], chunks[-1]]):
        got = assembled(await screened(CHAT, sse(*({"choices": [chunk]} for chunk in order)), numbers))[0]
        assert [one["token"] for one in got["logprobs"]["content"]] == kept


async def test_entries_wait_for_their_text():
    screen = Screen(CHAT, numbers, False)
    one = {"choices": [{"index": 0, "delta": {"content": "12"}, "logprobs": {"content": [entry("12")]}, "finish_reason": None}]}
    two = {"choices": [{"index": 0, "delta": {"content": " a"}, "logprobs": {"content": [entry(" a")]}, "finish_reason": None}]}
    assert await screen.feed(sse(one, done=False)) == b""
    got = assembled(await screen.feed(sse(two, done=False)))[0]
    assert got == {"index": 0, "message": {"content": "12 a"}, "finish_reason": None, "logprobs": {"content": [entry("12"), entry(" a")]}}


@pytest.mark.parametrize("name", ["chat_logprobs", "completions_logprobs", "responses_logprobs"])
async def test_recorded_logprobs_lose_what_was_cut(name: str):
    """The recorded answers, with the word that the guard blocks where they said `of`."""
    recording = load(name)
    body = recording.whole.replace(" of", " 12345").encode()
    stream = recording.stream.replace(" of", " 12345").encode()
    assert b"12345" not in await whole(recording.path, body, numbers)
    assert b"12345" not in await screened(recording.path, stream, numbers)


async def test_a_long_text_with_tokens_costs_its_length():
    """Ten thousand tokens in one answer; squared this would take minutes."""
    found = ["word "] * 10_000
    logs = legacy(found, 0)
    body = json.dumps({"choices": [{"index": 0, "text": "".join(found), "logprobs": logs, "finish_reason": "stop"}]}).encode()
    assert await whole(TEXT, body, sentences) == body
