"""Chat and completions: a stream says what the whole answer says, however it was cut."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from server.guards.shapes import Screen, Unreadable, choices_of, whole
from tests.server.cache.shapes.recordings import STREAMED, load
from tests.server.guards.shapes.scripted import (
    REFUSAL,
    Numbers,
    assembled,
    events_of,
    numbers,
    pieces,
    plain,
    screened,
    segments,
    sentences,
    sse,
)

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
RECORDED = [name for name in STREAMED if load(name).path in (CHAT, TEXT)]
WORDS = ["The ", "code 12", "345", " is", " ", "BO", "MB", "BOOM", "7", "가나 ", "010-", "1234", "😀", ". ", "bad", "é", "BOMB "]


def words(random: Random, most: int = 12, but: tuple[str, ...] = ()) -> str:
    return "".join(word for word in random.choices(WORDS, k=random.randint(0, most)) if word not in but)


def message(random: Random, but: tuple[str, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": words(random, but=but) or None}
    if random.random() < 0.5:
        said["reasoning"] = words(random, but=but)
    if random.random() < 0.2:
        said["refusal"] = words(random, but=but)
    if random.random() < 0.5:
        said["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "get_it", "arguments": json.dumps({"it": words(random, but=but)})}}
            for n in range(random.randint(1, 3))
        ]
    return said


def deltas(said: dict[str, Any], random: Random) -> list[dict[str, Any]]:
    """A message as an engine streams it; some pieces come together."""
    parts: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning", "content", "refusal"):
        parts += [{name: piece} for piece in pieces(said.get(name) or "", random)]
    for index, call in enumerate(said.get("tool_calls") or ()):
        function = call["function"]
        parts.append({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": {"name": function["name"]}}]})
        for piece in pieces(function["arguments"], random):
            parts.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    out = [parts[0]]
    for part in parts[1:]:
        if random.random() < 0.2 and not out[-1].keys() & part.keys():
            out[-1] = {**out[-1], **part}
        else:
            out.append(part)
    return out


def chat_stream(messages: list[dict[str, Any]], random: Random) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    queues = [deltas(said, random) for said in messages]
    events = []
    while any(queues):
        index = random.choice([index for index, queue in enumerate(queues) if queue])
        delta = queues[index].pop(0)
        ends = not queues[index] and random.random() < 0.5
        pieces_ = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": "stop" if ends else None}]
        if not queues[index] and not ends:
            events.append({**head, "choices": pieces_})
            pieces_ = [{"index": index, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
        events.append({**head, "choices": pieces_})
    return sse(*events, {**head, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}})


def chat_whole(messages: list[dict[str, Any]]) -> bytes:
    choices = [{"index": n, "message": said, "logprobs": None, "finish_reason": "stop"} for n, said in enumerate(messages)]
    return json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}).encode()


async def shown_whole(path: str, body: bytes, open_: Any = numbers) -> list[Any]:
    return [plain(choice) for choice in json.loads(await whole(path, body, open_))["choices"]]


def shown(stream: bytes) -> list[Any]:
    found = assembled(stream)
    return [plain(found[index]) for index in sorted(found)]


@pytest.mark.parametrize("open_", [numbers, sentences])
@pytest.mark.parametrize("blocks", [False, True])
async def test_a_chat_stream_says_what_the_whole_answer_says(open_: Any, blocks: bool):
    but = () if blocks else ("BO", "MB", "BOOM", "BOMB ", "bad")
    for seed in range(400):
        random = Random(seed)
        messages = [message(random, but) for _ in range(random.choice((1, 1, 2, 3)))]
        stream = chat_stream(messages, random)
        got = await screened(CHAT, stream, open_, random, choices=len(messages))
        assert shown(got) == await shown_whole(CHAT, chat_whole(messages), open_), seed
        assert events_of(got)[-1] == "[DONE]"


async def test_every_cut_of_the_bytes_into_two_gives_the_same():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 123}'}}
    said = [{"role": "assistant", "content": "가 12345 😀", "tool_calls": [call]}, {"role": "assistant", "content": "a BOMB"}]
    stream = chat_stream(said, Random(1)).replace(b"\n\n", b"\r\n\r\n")
    at_once = await screened(CHAT, stream, numbers, choices=2)
    for place in range(1, len(stream)):
        screen = Screen(CHAT, numbers, True, 2)
        got = await screen.feed(stream[:place])
        if not screen.ended:
            got += await screen.feed(stream[place:])
        if not screen.ended:
            got += await screen.finish()
        assert got == at_once, place


@pytest.mark.parametrize("name", [name for name in RECORDED if "tool" not in name and "token_ids" not in name and "echo" not in name])
async def test_a_clean_answer_passes_with_its_own_bytes(name: str):
    recording = load(name)
    stream = recording.stream.encode()
    for random in (None, Random(1)):
        assert await screened(recording.path, stream, numbers, random) == stream
    assert await whole(recording.path, recording.whole.encode(), numbers) == recording.whole.encode()


@pytest.mark.parametrize("name", [name for name in RECORDED if "tool" in name])
async def test_a_tool_call_comes_in_one_piece_and_unchanged(name: str):
    recording = load(name)
    got = await screened(CHAT, recording.stream.encode(), numbers, Random(1))
    assert shown(got) == shown(recording.stream.encode())
    with_calls = [chunk for chunk in events_of(got)[:-1] if any(piece["delta"].get("tool_calls") for piece in chunk["choices"])]
    assert len(with_calls) == 1


async def test_clean_text_is_not_held_back():
    screen = Screen(CHAT, numbers, False)
    for piece in ("The ", "sky ", "is 12", " blue"):
        event = sse({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}, done=False)
        out = await screen.feed(event)
        if piece == "is 12":
            assert assembled(out)[0]["message"]["content"] == "is "
        elif piece != " blue":
            assert out == event
        else:
            assert assembled(out)[0]["message"]["content"] == "12 blue"


async def test_a_delta_whose_text_is_held_is_not_sent():
    screen = Screen(CHAT, numbers, False)
    assert await screen.feed(sse({"choices": [{"index": 0, "delta": {"content": "123"}, "finish_reason": None}]}, done=False)) == b""


async def test_a_held_delta_keeps_its_role_and_its_end():
    screen = Screen(CHAT, numbers, False)
    first = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "12"}, "finish_reason": None}]}
    last = {"choices": [{"index": 0, "delta": {"content": "3"}, "finish_reason": "length", "stop_reason": None}]}
    assert events_of(await screen.feed(sse(first, done=False))) == [{"choices": [{**first["choices"][0], "delta": {"role": "assistant"}}]}]
    assert events_of(await screen.feed(sse(last, done=False)))[0]["choices"][0]["delta"] == {"content": "[N]"}


async def test_a_block_ends_the_only_choice_with_refusal_usage_and_done():
    chunks = [
        {"id": "x", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        for text in ("Make a ", "BO", "MB", " now")
    ]
    screen = Screen(CHAT, numbers, True)
    out = b""
    for chunk in chunks:
        out += await screen.feed(sse(chunk, done=False))
    assert screen.ended
    assert screen.blocked
    *_, last, usage, done = events_of(out)
    assert last["choices"][0]["finish_reason"] == "content_filter"
    assert last["choices"][0]["delta"] == {"refusal": REFUSAL}
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 3
    assert done == "[DONE]"
    assert await screen.finish() == b""
    assert assembled(out)[0]["message"]["content"] == "Make a "


async def test_without_usage_asked_a_block_tells_none():
    screen = Screen(CHAT, numbers, False)
    out = await screen.feed(sse({"choices": [{"index": 0, "delta": {"content": "BOMB"}, "finish_reason": None}]}, done=False))
    assert screen.ended
    assert [event if event == "[DONE]" else event["choices"][0]["finish_reason"] for event in events_of(out)] == [
        "content_filter",
        "[DONE]",
    ]


async def test_usage_that_the_engine_told_with_its_chunks_is_told():
    screen = Screen(CHAT, numbers, True)
    usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
    out = await screen.feed(
        sse({"choices": [{"index": 0, "delta": {"content": "BOMB"}, "finish_reason": None}], "usage": usage}, done=False)
    )
    assert events_of(out)[-2]["usage"] == usage


async def test_other_choices_go_on_after_a_block():
    head = {"id": "x"}
    parts = [(0, "BOMB"), (1, "The "), (0, " more"), (1, "sky")]
    chunks = [{**head, "choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]} for index, text in parts]
    ends = [{**head, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in (0, 1)]
    usage = {**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    out = await screened(CHAT, sse(*chunks, *ends, usage), numbers, choices=2)
    found = assembled(out)
    assert found[0]["finish_reason"] == "content_filter"
    assert found[1] == {"index": 1, "message": {"content": "The sky"}, "finish_reason": "stop"}
    assert events_of(out)[-2]["usage"]["completion_tokens"] == 2


async def test_a_stream_whose_choices_have_not_all_begun_is_not_ended():
    screen = Screen(TEXT, numbers, False, choices=2)
    await screen.feed(sse({"choices": [{"index": 0, "text": "BOMB", "finish_reason": None}]}, done=False))
    assert screen.blocked
    assert not screen.ended
    out = await screen.feed(sse({"choices": [{"index": 1, "text": "Hello", "finish_reason": None}]}, done=False))
    assert assembled(out)[1]["text"] == "Hello"


async def test_a_block_at_the_engines_own_end_leaves_the_usage_to_it():
    chunk = {"choices": [{"index": 0, "delta": {"content": "BOMB"}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    screen = Screen(CHAT, numbers, True)
    out = await screen.feed(sse(chunk, done=False))
    assert not screen.ended
    out += await screen.feed(sse(usage))
    assert events_of(out)[-2:] == [usage, "[DONE]"]
    assert assembled(out)[0]["finish_reason"] == "content_filter"


async def test_a_blocked_tool_call_is_in_neither_shape():
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": text}}
        for n, text in enumerate(('{"a":1}', '{"b":"BOMB"}', "{}"))
    ]
    said = {"role": "assistant", "content": "Wait.", "tool_calls": calls}
    for seed in range(30):
        got = assembled(await screened(CHAT, chat_stream([said], Random(seed)), numbers, Random(seed)))[0]
        assert [call["id"] for call in got["message"]["tool_calls"]] == ["c0"]
        assert got["message"]["refusal"] == REFUSAL
        assert got["finish_reason"] == "content_filter"
    (choice,) = json.loads(await whole(CHAT, chat_whole([said]), numbers))["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Wait.", "refusal": REFUSAL, "tool_calls": calls[:1]}


async def test_a_block_before_any_text_leaves_null_in_the_whole_answer():
    (choice,) = json.loads(await whole(CHAT, chat_whole([{"role": "assistant", "content": "BOMB"}]), numbers))["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": REFUSAL}
    assert choice["finish_reason"] == "content_filter"


async def test_each_text_has_a_passage_of_its_own_with_its_place_and_kind():
    seen: list[tuple[str, str]] = []

    def open_(place: str, kind: Any) -> Numbers:
        seen.append((place, kind))
        return Numbers(place, kind)

    said = {
        "role": "assistant", "content": "a", "reasoning": "b", "refusal": "c", "poem": "d",
        "function_call": {"name": "f", "arguments": "{}"},
        "tool_calls": [
            {"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}}, {"function": {"name": "two words", "arguments": "{}"}},
        ],
        "audio": {"id": "a", "data": "AAAA", "transcript": "e"}, "annotations": [{"type": "url_citation", "url_citation": {"title": "t"}}],
    }  # fmt: skip
    expected = {
        ("choices[0].message.content", "text"), ("choices[0].message.reasoning", "reasoning"), ("choices[0].message.refusal", "text"),
        ("choices[0].message.poem", "reasoning"), ("choices[0].message.function_call.arguments", "arguments"),
        ("choices[0].message.tool_calls[0].custom.input", "text"), ("choices[0].message.tool_calls[1].function.name", "text"),
        ("choices[0].message.tool_calls[1].function.arguments", "arguments"), ("choices[0].message.audio.transcript", "text"),
        ("choices[0].message.annotations[0].url_citation.title", "text"),
    }  # fmt: skip
    body = chat_whole([said])
    assert await whole(CHAT, body, open_) is body
    assert set(seen) == expected
    seen.clear()
    calls = [{"index": n, **call} for n, call in enumerate(said["tool_calls"])]  # type: ignore[arg-type]
    stream = sse({"choices": [{"index": 0, "delta": {**said, "tool_calls": calls}, "finish_reason": "stop"}]})
    assert shown(await screened(CHAT, stream, open_)) == await shown_whole(CHAT, body)
    assert set(seen) == expected


async def test_reasoning_under_two_names_is_judged_once():
    parts = [{"reasoning": piece, "reasoning_content": piece} for piece in ("It is 12", "34. BO", "MB")]
    got = assembled(
        await screened(CHAT, sse(*({"choices": [{"index": 0, "delta": part, "finish_reason": None}]} for part in parts)), numbers)
    )
    assert got[0]["message"]["reasoning"] == got[0]["message"]["reasoning_content"] == "It is [N]. "
    said = {"role": "assistant", "content": "after", "reasoning": "It is 1234. BOMB", "reasoning_content": "It is 1234. BOMB"}
    (choice,) = json.loads(await whole(CHAT, chat_whole([said]), numbers))["choices"]
    assert choice["message"]["reasoning"] == choice["message"]["reasoning_content"] == "It is [N]. "
    assert choice["message"]["content"] is None


async def test_what_tells_tokens_is_dropped():
    top = {"prompt_token_ids": [1], "prompt_text": "secret", "prompt_logprobs": [None]}
    choice = {"index": 0, "finish_reason": "stop", "stop_reason": "Par", "token_ids": [5], "routed_experts": "AAAA"}
    gone = {"token_ids": None, "routed_experts": None, "stop_reason": "Par"}
    for path, text in ((CHAT, {"message": {"role": "assistant", "content": "hi"}}), (TEXT, {"text": "hi"})):
        answer = json.loads(await whole(path, json.dumps({**top, "choices": [{**choice, **text}]}).encode(), numbers))
        assert answer == {**dict.fromkeys(top), "choices": [{**choice, **text, **gone}]}
    stream = sse({**top, "choices": [{**choice, "delta": {"content": "hi"}}]})
    (chunk, _) = events_of(await screened(CHAT, stream, numbers))
    assert chunk == {**dict.fromkeys(top), "choices": [{**choice, "delta": {"content": "hi"}, **gone}]}


async def test_halves_of_a_surrogate_pair_meet():
    chunks = [
        b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % half
        for half in (rb"a\ud83d", rb"\ude00b 12", rb"3\ud83d")
    ]
    out = await screened(CHAT, b"".join(chunks) + b"data: [DONE]\n\n", numbers)
    assert assembled(out)[0]["message"]["content"] == "a😀b [N]\ud83d"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
async def test_comments_and_other_fields_of_events_stay(line_end: bytes):
    data = b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "a 123"}, "finish_reason": "stop"}]}\n\n'
    stream = b": hello\n\nevent: x\n: c\nid: 7\n" + data + b"data: [DONE]\n\n"
    out = (await screened(CHAT, stream.replace(b"\n", line_end), numbers, Random(3), choices=1)).replace(line_end, b"\n")
    comment, event, done = out.split(b"\n\n")[:3]
    assert comment == b": hello"
    assert event.startswith(b"event: x\n: c\nid: 7\ndata: {")
    assert assembled(out)[0]["message"]["content"] == "a [N]"
    assert done == b"data: [DONE]"


async def test_an_error_inside_the_stream_passes_and_what_was_held_does_not():
    error = b'data: {"error": {"message": "out of memory 123456"}}\n\n'
    stream = sse({"choices": [{"index": 0, "delta": {"content": "a 12"}, "finish_reason": None}]}, done=False) + error + b"data: [DONE]\n\n"
    out = await screened(CHAT, stream, numbers)
    assert out.endswith(error + b"data: [DONE]\n\n")
    assert assembled(out)[0]["message"]["content"] == "a "


@pytest.mark.parametrize("done", [False, True])
async def test_a_choice_whose_end_nobody_tells_is_given_out_to_its_end(done: bool):
    for path, piece in ((CHAT, {"delta": {"content": "a 12"}}), (TEXT, {"text": "a 12"})):
        out = await screened(path, sse({"choices": [{"index": 0, **piece, "finish_reason": None}]}, done=done), numbers)
        choice = assembled(out)[0]
        assert choice.get("text", choice.get("message", {}).get("content")) == "a 12"
        assert out.endswith(b"data: [DONE]\n\n") == done


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"choices": 1}',
        b'{"choices": [1]}',
        b'{"choices": [{"index": "0"}]}',
        b'{"choices": [{"delta": 1}]}',
        b"\xff",
        b"[" * 5000,
    ],
)
async def test_an_event_of_another_form_is_refused(data: bytes):
    with pytest.raises(Unreadable):
        await screened(CHAT, b"data: " + data + b"\n\n", numbers)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"choices": [1]}', b'{"choices": [{"index": 0}]}', b"\xff"])
async def test_a_body_of_another_form_is_refused(body: bytes):
    with pytest.raises(Unreadable):
        await whole(CHAT, body, numbers)


async def test_thoughts_that_are_blocked_at_their_end_let_no_content_out():
    parts = [{"reasoning": "This is bad"}, {"content": "Hello. "}, {"content": "There."}]
    got = assembled(
        await screened(CHAT, sse(*({"choices": [{"index": 0, "delta": part, "finish_reason": None}]} for part in parts)), sentences)
    )
    assert plain(got[0]["message"]) == {"refusal": REFUSAL}


def test_choices_are_counted():
    assert choices_of(CHAT, {}) == 1
    assert choices_of(CHAT, {"n": 3, "prompt": ["a", "b"]}) == 3
    assert choices_of(TEXT, {"n": 2, "prompt": ["a", "b"]}) == 4
    assert choices_of(TEXT, {"prompt": [1, 2, 3]}) == 1
    assert choices_of(TEXT, {"prompt": [[1, 2], [3]], "n": None}) == 2


async def test_a_long_stream_costs_its_length():
    """Bytes are not gathered and looked at again: each event is read once, however small the segments are."""
    event = sse({"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}, done=False)
    screen = Screen(CHAT, numbers, False)
    for segment in segments(event * 200, Random(1), 3):
        await screen.feed(segment)
    assert len(screen._screen._splitter._tail) < len(event)  # type: ignore[attr-defined]
